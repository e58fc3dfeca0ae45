"""The kinds of recipes: what each training set is made of, how, and of what size. One table.

A recipe is an entry ``blend.<name>`` of params.yaml: a kind and its knobs. A new kind is one entry
here, or one that a plug-in registers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from augqa.blends.choosing import Blend, joined, sized
from augqa.blends.copying import copies, edited
from augqa.blends.degrading import (
    Consistent,
    ShuffledAnswers,
    consistent,
    shuffled_answers,
    truncated_contexts,
)
from augqa.blends.distracting import with_distractors
from augqa.blends.materials import Materials
from augqa.blends.recipes import (
    AugmentRecipe,
    ContextOnlyRecipe,
    CopiesRecipe,
    GeneratedRecipe,
    MixRecipe,
    PseudoLabelRecipe,
    QuestionOnlyRecipe,
    RealLongerRecipe,
    RealMoreRecipe,
    RealRecipe,
    Recipe,
    UnfilteredRecipe,
)
from augqa.blends.selecting import selected
from augqa.records import Origin, QAExample, Rejection
from augqa.registry import Registry

Origins = tuple[Origin, Origin]
REAL: Origins = ("real", "real")
GENERATED: Origins = ("generated", "generated")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many examples there are to choose from."""

    n_pool: int
    n_reserve: int


# Rows in all, and how many of them are generated; None where the recipe leaves it open.
Asked = tuple[int | None, int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of recipe.

    Attributes:
        name: The name that `kind` in params.yaml has.
        about: What the training set is, in one line, for the docs.
        knobs: Schema of the entry; its field `kind` is a literal of the name.
        origins: Origins of question and of context that its examples may have.
        make: Makes the training set. It gets what it may take from, the knobs and a seed.
        asked: Tells how many examples the knobs ask for.
        repeats: Whether a question may stand on a context several times, under several ids.
        takes_reserve: Whether it may take of the reserve: controls alone do.
        needs_real_contexts: Whether pairs on real contexts must have been generated.
    """

    name: str
    about: str
    knobs: type[Recipe]
    origins: tuple[Origins, ...]
    make: Callable[[Materials, Any, int], Blend]
    asked: Callable[[Any, Sizes], Asked]
    repeats: bool = False
    takes_reserve: bool = False
    needs_real_contexts: bool = False


KINDS: Registry[Kind] = Registry("kind of recipe")


def may_repeat(kind: Kind, knobs: Recipe) -> bool:
    """Return whether a question may stand on a context several times: filtered pairs do not."""
    return kind.repeats or getattr(knobs, "pairs", "kept") != "kept"


def n_real_of(knobs: Any, sizes: Sizes) -> int:
    """Return how many examples of the pool a recipe with `n_real` takes."""
    return knobs.n_real if knobs.n_real is not None else sizes.n_pool


def _real_part(of: Materials, n: int | None, seed: int) -> Blend:
    return sized(of.pool, recipe=of.recipe, what="real", n_examples=n, seed=seed)


def _graded(
    of: Materials, pairs: list[QAExample], grade: Any, seed: int
) -> tuple[list[QAExample], list[Rejection]]:
    match grade:
        case None:
            return pairs, []
        case Consistent():
            return consistent(pairs, of.round_trip, min_round_trip_f1=grade.min_round_trip_f1)
        case ShuffledAnswers():
            fraction = grade.shuffled_fraction
            return shuffled_answers(pairs, shuffled_fraction=fraction, seed=seed)
        case _:
            return truncated_contexts(pairs, max_context_words=grade.max_context_words), []


def _pairs(
    of: Materials, source: str, knobs: Any, seed: int
) -> tuple[list[QAExample], tuple[Rejection, ...]]:
    candidates, missing = of.generated(source)
    chosen, left_out = selected(
        candidates,
        knobs.choose,
        recipe=of.recipe,
        pool=lambda: of.pool,
        round_trip=lambda: of.round_trip,
        judgements=lambda: of.judgements,
        seed=seed,
    )
    good, refused = _graded(of, chosen, knobs.grade, seed)
    made, alone = with_distractors(good, n=knobs.distractors, seed=seed)
    return made, (*missing, *left_out, *refused, *alone)


def _real(of: Materials, knobs: RealRecipe, seed: int) -> Blend:
    return _real_part(of, knobs.n_examples, seed)


def _generated(of: Materials, knobs: GeneratedRecipe, seed: int) -> Blend:
    pairs, refused = _pairs(of, knobs.pairs, knobs, seed)
    made = sized(pairs, recipe=of.recipe, what="generated", n_examples=knobs.n_examples, seed=seed)
    return Blend(examples=made.examples, dropped=(*refused, *made.dropped))


def _mix(of: Materials, knobs: MixRecipe, seed: int) -> Blend:
    # The size does not change with the ratio, so that size does not confound it.
    n_generated = round(knobs.n_examples * knobs.generated_fraction)
    pairs, refused = _pairs(of, knobs.pairs, knobs, seed)
    parts = [
        sized(pairs, recipe=of.recipe, what="generated", n_examples=n_generated, seed=seed),
        _real_part(of, knobs.n_examples - n_generated, seed),
    ]
    made = joined(parts, seed=seed)
    return Blend(examples=made.examples, dropped=(*refused, *made.dropped))


def _adding(source: str | None) -> Callable[[Materials, Any, int], Blend]:
    def make(of: Materials, knobs: Any, seed: int) -> Blend:
        real = _real_part(of, knobs.n_real, seed)
        pairs, refused = _pairs(of, source or knobs.pairs, knobs, seed)
        if knobs.generated_per_real is not None:
            n = round(knobs.generated_per_real * len(real.examples))
        else:
            n = max(1, int(len(pairs) * knobs.generated_share))
        added = sized(pairs, recipe=of.recipe, what="generated", n_examples=n, seed=seed)
        made = joined([real, added], seed=seed)
        return Blend(examples=made.examples, dropped=(*refused, *made.dropped))

    return make


def _real_more(of: Materials, knobs: RealMoreRecipe, seed: int) -> Blend:
    real = _real_part(of, knobs.n_real, seed)
    n = None
    if knobs.reserve_per_real is not None:
        n = round(knobs.reserve_per_real * len(real.examples))
    further = sized(
        of.reserve,
        recipe=of.recipe,
        what="reserved real",
        n_examples=n,
        seed=seed,
        remedy=" prepare.n_reserve says how many real examples are set aside.",
    )
    return joined([real, further], seed=seed)


def _copying(edit: bool) -> Callable[[Materials, Any, int], Blend]:
    def make(of: Materials, knobs: Any, seed: int) -> Blend:
        real = _real_part(of, knobs.n_real, seed)
        n = round(knobs.copies_per_real * len(real.examples))
        again = copies(real.examples, n=n, seed=seed)
        if edit:
            again = [edited(example, seed=seed) for example in again]
        return joined([real, Blend(examples=tuple(again))], seed=seed)

    return make


def _context_only(of: Materials, knobs: ContextOnlyRecipe, seed: int) -> Blend:
    found, lacking = of.seed_questions_on_contexts()
    candidates, alone = with_distractors(found, n=knobs.distractors, seed=seed)
    made = sized(
        candidates, recipe=of.recipe, what="context-only", n_examples=knobs.n_examples, seed=seed
    )
    return Blend(examples=made.examples, dropped=(*lacking, *alone, *made.dropped))


def _question_only(of: Materials, knobs: QuestionOnlyRecipe, seed: int) -> Blend:
    candidates, alone = with_distractors(of.on_real_contexts(), n=knobs.distractors, seed=seed)
    made = sized(
        candidates,
        recipe=of.recipe,
        what="question-only",
        n_examples=knobs.n_examples,
        seed=seed,
        remedy=" It needs generate_pairs.real_contexts: true.",
    )
    return Blend(examples=made.examples, dropped=(*alone, *made.dropped))


def _asked_of_real(knobs: RealRecipe, sizes: Sizes) -> Asked:
    return knobs.n_examples or sizes.n_pool, 0


def _asked_of_size(knobs: Any, _sizes: Sizes) -> Asked:
    return knobs.n_examples, None


def _asked_of_mix(knobs: MixRecipe, _sizes: Sizes) -> Asked:
    return knobs.n_examples, round(knobs.n_examples * knobs.generated_fraction)


def _asked_of_adding(knobs: Any, sizes: Sizes) -> Asked:
    if knobs.generated_per_real is None:
        return None, None
    n_real = n_real_of(knobs, sizes)
    n_generated = round(knobs.generated_per_real * n_real)
    return n_real + n_generated, n_generated


def _asked_of_copies(knobs: Any, sizes: Sizes) -> Asked:
    n_real = n_real_of(knobs, sizes)
    return n_real + round(knobs.copies_per_real * n_real), 0


def _asked_of_real_more(knobs: RealMoreRecipe, sizes: Sizes) -> Asked:
    n_real = n_real_of(knobs, sizes)
    if knobs.reserve_per_real is None:
        return n_real + sizes.n_reserve, 0
    return n_real + round(knobs.reserve_per_real * n_real), 0


for _kind in (
    Kind(
        name="real",
        about="real examples only",
        knobs=RealRecipe,
        origins=(REAL,),
        make=_real,
        asked=_asked_of_real,
    ),
    Kind(
        name="generated",
        about="generated pairs only",
        knobs=GeneratedRecipe,
        origins=(GENERATED,),
        make=_generated,
        asked=_asked_of_size,
    ),
    Kind(
        name="mix",
        about="`n_examples` in all, `generated_fraction` of them generated",
        knobs=MixRecipe,
        origins=(REAL, GENERATED),
        make=_mix,
        asked=_asked_of_mix,
    ),
    Kind(
        name="augment",
        about="real examples and so many generated pairs for each",
        knobs=AugmentRecipe,
        origins=(REAL, GENERATED),
        make=_adding(None),
        asked=_asked_of_adding,
    ),
    Kind(
        name="context_only",
        about="generated contexts with the seed question and its answer, where the answer occurs",
        knobs=ContextOnlyRecipe,
        origins=(("real", "generated"),),
        make=_context_only,
        asked=_asked_of_size,
    ),
    Kind(
        name="question_only",
        about="real contexts with generated pairs (`generate_pairs.real_contexts: true`)",
        knobs=QuestionOnlyRecipe,
        origins=(("generated", "real"),),
        make=_question_only,
        asked=_asked_of_size,
        needs_real_contexts=True,
    ),
    Kind(
        name="real_longer",
        about="control: real examples again, so that there are as many updates as in `augment`",
        knobs=RealLongerRecipe,
        origins=(REAL,),
        make=_copying(edit=False),
        asked=_asked_of_copies,
        repeats=True,
    ),
    Kind(
        name="real_more",
        about="control: real examples and further real ones from the reserve",
        knobs=RealMoreRecipe,
        origins=(REAL,),
        make=_real_more,
        asked=_asked_of_real_more,
        takes_reserve=True,
    ),
    Kind(
        name="copies",
        about="control: real examples and copies with questions edited by rule",
        knobs=CopiesRecipe,
        origins=(REAL,),
        make=_copying(edit=True),
        asked=_asked_of_copies,
        repeats=True,
    ),
    Kind(
        name="pseudo_label",
        about="control: `augment` of all pairs, each with the round-trip reader's own answer",
        knobs=PseudoLabelRecipe,
        origins=(REAL, GENERATED),
        make=_adding("pseudo_label"),
        asked=_asked_of_adding,
        repeats=True,
    ),
    Kind(
        name="unfiltered",
        about="control: `augment` of pairs before the filters",
        knobs=UnfilteredRecipe,
        origins=(REAL, GENERATED),
        make=_adding("unfiltered"),
        asked=_asked_of_adding,
        repeats=True,
    ),
):
    KINDS.register(_kind)
