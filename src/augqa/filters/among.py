"""Filters that judge pairs among each other: repetitions, and limits to their number."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import Field

from augqa import ids
from augqa.filters.entry import (
    FILTERS,
    Among,
    Bounds,
    Candidate,
    Dropped,
    Filter,
    Promise,
    Settings,
    Surroundings,
)
from augqa.overlap import similar_texts
from augqa.schema import PositiveInt, Section


class Duplicates(Section):
    min_duplicate_similarity: Annotated[float, Field(gt=0, le=1)] | None


def repetition(settings: Settings, _: Surroundings) -> Among:
    """Drop a question asked before on the same context, or with the same answer on any.

    ``When was he born?`` may well be asked of two people. A pair that is dropped hides no other.
    """
    min_similarity = settings["min_duplicate_similarity"]

    def judge(pairs: Sequence[Candidate]) -> Mapping[int, Dropped]:
        number: dict[str, int] = {}
        texts = [number.setdefault(pair.question, len(number)) for pair in pairs]
        groups = [_numbers(pair.context_id for pair in pairs), _numbers(p.answer for p in pairs)]
        alike: Mapping[int, Sequence[tuple[int, float]]] = {}
        if min_similarity is not None:
            alike = similar_texts(list(number), _members(texts, groups), min_similarity)
        dropped: dict[int, Dropped] = {}
        # For each group the place of the pair that asks a question and is kept.
        kept: list[dict[int, int]] = [{}, {}]
        n_texts = len(number)
        for place, text in enumerate(texts):
            keys = [of[place] * n_texts for of in groups]
            seen = [kept[kind].get(key + text) for kind, key in enumerate(keys)]
            earlier = next((found for found in seen if found is not None), None)
            if earlier is not None:
                dropped[place] = ("duplicate_question", f"of {pairs[earlier].id}")
                continue
            near = {
                found: similarity
                for other, similarity in alike.get(text, ())
                for kind, key in enumerate(keys)
                if (found := kept[kind].get(key + other)) is not None
            }
            if near:
                # The most similar one; of equals the first in the table.
                found, similarity = min(near.items(), key=lambda item: (-item[1], item[0]))
                detail = f"of {pairs[found].id}, similarity {similarity:.2f}"
                dropped[place] = ("near_duplicate_question", detail)
                continue
            for kind, key in enumerate(keys):
                kept[kind][key + text] = place
        return dropped

    return judge


FILTERS.register(
    Filter(
        name="repetition",
        reasons={
            "duplicate_question": None,
            "near_duplicate_question": "min_duplicate_similarity",
        },
        params=Duplicates,
        among=repetition,
        promises=(
            Promise(
                name="question_not_repeated",
                text="No question equals, or nearly, an earlier one on the same context or with the"
                " same answer (filter_pairs.min_duplicate_similarity): a repeated example weighs"
                " double.",
                relied_on_by=("blend", "train"),
                column="similarity_to_earlier",
                bounds=lambda s: Bounds(below=s["min_duplicate_similarity"] or 1.0),
            ),
        ),
    )
)


class PairsPerContext(Section):
    max_pairs_per_context: PositiveInt | None


def pairs_per_context(settings: Settings, _: Surroundings) -> Among | None:
    """Drop what is beyond the best-scored pairs of a context; of equals the earlier is better."""
    most = settings["max_pairs_per_context"]

    def judge(pairs: Sequence[Candidate]) -> Mapping[int, Dropped]:
        by_context: dict[str, list[int]] = defaultdict(list)
        for place, pair in enumerate(pairs):
            by_context[pair.context_id].append(place)
        return {
            place: (
                "over_max_pairs_per_context",
                f"number {number} of {len(places)} by reader score",
            )
            for places in by_context.values()
            for number, place in enumerate(sorted(places, key=lambda p: -pairs[p].score), start=1)
            if number > most
        }

    return None if most is None else judge


FILTERS.register(
    Filter(
        name="pairs_per_context",
        reasons={"over_max_pairs_per_context": "max_pairs_per_context"},
        params=PairsPerContext,
        among=pairs_per_context,
        promises=(
            Promise(
                name="pairs_per_context_within_filter",
                text="A context has at most filter_pairs.max_pairs_per_context pairs, if that is"
                " set: none weighs more than others.",
                relied_on_by=("blend", "train"),
                column="n_on_context",
                bounds=lambda s: (
                    None
                    if s["max_pairs_per_context"] is None
                    else Bounds(maximum=s["max_pairs_per_context"])
                ),
            ),
        ),
    )
)


class Target(Section):
    target_kept: PositiveInt | None


def target(settings: Settings, surroundings: Surroundings) -> Among | None:
    """Drop what is beyond the pairs of the first seeds; of one seed the earlier goes first.

    The seeds are in seeded order, and more of them only follow those there are. So the pairs of a
    smaller target lie inside those of a larger one, and stay as they are when seeds are added.
    """
    wanted = settings["target_kept"]

    def judge(pairs: Sequence[Candidate]) -> Mapping[int, Dropped]:
        order = {id_: number for number, id_ in enumerate(surroundings.seed_ids)}
        seeds = [order.get(ids.seed_of(pair.id) or "", len(order)) for pair in pairs]
        beyond = sorted(range(len(pairs)), key=seeds.__getitem__)[wanted:]
        return dict.fromkeys(beyond, ("over_target_kept", f"more than {wanted}"))

    return None if wanted is None else judge


FILTERS.register(
    Filter(
        name="target",
        reasons={"over_target_kept": "target_kept"},
        params=Target,
        among=target,
        promises=(
            Promise(
                name="within_target",
                text="There are at most filter_pairs.target_kept pairs, if that is set: sets of one"
                " size are compared.",
                relied_on_by=("blend", "summarize"),
                column="row",
                bounds=lambda s: (
                    None if s["target_kept"] is None else Bounds(below=s["target_kept"])
                ),
            ),
        ),
    )
)


def _numbers(keys: Iterable[str]) -> list[int]:
    """Return a number for each key, the same for equal ones, from 0."""
    known: dict[str, int] = {}
    return [known.setdefault(key, len(known)) for key in keys]


def _members(texts: Sequence[int], groups: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Yield the distinct texts of each group that has two or more."""
    for of in groups:
        members: dict[int, list[int]] = defaultdict(list)
        for group, text in zip(of, texts, strict=True):
            members[group].append(text)
        for found in members.values():
            if len(found) > 1 and len(distinct := list(dict.fromkeys(found))) > 1:
                yield distinct
