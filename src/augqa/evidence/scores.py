"""What readers scored, reduced to what the statistics need: sums over the articles.

Every number of this room is linear in the scores of questions, and articles are what is drawn, so
that the sum over each article's questions is all that has to be kept of a run: some 50 to 3,000
numbers instead of 10,000, and what was read may be forgotten at once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from augqa.errors import EvidenceError

Floats = NDArray[np.float64]
Metric = Literal["f1", "exact_match"]
Role = Literal["home", "shift", "stress"]

METRICS: tuple[Metric, ...] = ("f1", "exact_match")

SHIFTS = "shifts"  # the target that is the unweighted mean over the shifts

# Scores in float32 may be a rounding error above 100.
_ROUNDING = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QuestionSet:
    """The questions of one test set, and which article each is about.

    Attributes:
        name: Such as ``amazon``.
        role: ``home`` is where the training data comes from; the headline is the mean over every
            ``shift``; a ``stress`` test, such as attacked copies of questions, stands beside them.
        ids: Of the questions, in a fixed order.
        clusters: Index of each question's article, shape ``(n_questions,)``, from 0 without a gap.
        articles: Names of the articles by index; empty where they have none. Sets that name the
            same article are not independent of each other.
    """

    name: str
    role: Role
    ids: Sequence[str]
    clusters: NDArray[np.integer[Any]]
    articles: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        where = f"test set {self.name}"
        if self.name == SHIFTS:
            raise EvidenceError(f"{where}: that is the name of the mean over all shifts")
        if not len(self.ids):
            raise EvidenceError(f"{where}: it has no question")
        if self.clusters.shape != (len(self.ids),):
            raise EvidenceError(
                f"{where}: {len(self.ids)} questions, but the articles have the shape"
                f" {self.clusters.shape}"
            )
        if not np.issubdtype(self.clusters.dtype, np.integer) or self.clusters.min() < 0:
            raise EvidenceError(
                f"{where}: articles are counted from 0, found {self.clusters.dtype} from"
                f" {self.clusters.min()}"
            )
        empty = np.flatnonzero(np.bincount(self.clusters) == 0)
        if empty.size:
            raise EvidenceError(f"{where}: article {empty[0]} has no question")
        if self.articles and len(self.articles) != self.clusters.max() + 1:
            raise EvidenceError(
                f"{where}: {self.clusters.max() + 1} articles, but {len(self.articles)} names"
            )
        for what, names in (("question", self.ids), ("article", self.articles)):
            if len(set(names)) != len(names):
                twice = _first_repeated(names)
                raise EvidenceError(f"{where}: {what} {twice!r} is there more than once")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """Scores of one run on one test set.

    Attributes:
        ids: Of the questions.
        exact_match: In percent, shape ``(n_questions,)``.
        f1: In percent, same shape.
    """

    ids: Sequence[str]
    exact_match: NDArray[np.floating[Any]]
    f1: NDArray[np.floating[Any]]

    def of(self, metric: Metric) -> NDArray[np.floating[Any]]:
        """Return the scores by one metric."""
        return self.f1 if metric == "f1" else self.exact_match


# Recipe -> training seed -> test set.
ScoresByRun = Mapping[str, Mapping[int, Mapping[str, Scores]]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Articles:
    """The articles of a test set.

    Attributes:
        role: As in `QuestionSet`.
        n_questions: Questions of each, shape ``(n_articles,)``.
        names: As in `QuestionSet`; empty where they have none.
    """

    role: Role
    n_questions: Floats
    names: tuple[str, ...] = ()

    @property
    def n_articles(self) -> int:
        """How many there are."""
        return len(self.n_questions)

    @property
    def n_effective(self) -> float:
        """How many articles of equal size would tell as much.

        Source: Kish 1965, Survey Sampling, section 8.2.
        """
        return float(self.n_questions.sum() ** 2 / (self.n_questions**2).sum())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Study:
    """Scores of every run, summed over articles.

    Attributes:
        sets: The test sets, in the order of every table.
        seeds: Training seeds of each recipe, in the order of its rows.
        sums: Sums of scores over the questions of each article, by metric and set, shape
            ``(n_runs, n_articles)``; a row is a run, recipe by recipe as in `seeds`.
    """

    sets: Mapping[str, Articles]
    seeds: Mapping[str, tuple[int, ...]]
    sums: Mapping[Metric, Mapping[str, Floats]]

    @property
    def recipes(self) -> tuple[str, ...]:
        """The recipes, in order."""
        return tuple(self.seeds)

    @property
    def shifts(self) -> tuple[str, ...]:
        """The sets that the headline is a mean over."""
        return self.with_role("shift")

    def with_role(self, role: Role) -> tuple[str, ...]:
        """Return the names of the sets with a role."""
        return tuple(name for name, articles in self.sets.items() if articles.role == role)

    @property
    def n_seeds(self) -> NDArray[np.int64]:
        """Seeds of each recipe, shape ``(n_recipes,)``."""
        return np.array([len(seeds) for seeds in self.seeds.values()], dtype=np.int64)

    @property
    def recipe_of_run(self) -> NDArray[np.int64]:
        """Index of the recipe of each run, shape ``(n_runs,)``."""
        return np.repeat(np.arange(len(self.seeds)), self.n_seeds)

    def index(self, recipe: str) -> int:
        """Return the place of a recipe.

        Raises:
            EvidenceError: If it has no run.
        """
        if recipe not in self.seeds:
            raise EvidenceError(
                f"recipe {recipe!r} has no scores; those that have: {', '.join(self.seeds)}"
            )
        return self.recipes.index(recipe)

    def run_means(self, metric: Metric) -> Floats:
        """Return the score of each run on each set, in percent, shape ``(n_runs, n_sets)``."""
        return np.stack(
            [
                self.sums[metric][name].sum(axis=1) / articles.n_questions.sum()
                for name, articles in self.sets.items()
            ],
            axis=1,
        )

    def mean_over_seeds(self, runs: Floats) -> Floats:
        """Return the mean over each recipe's runs: ``(n_runs, ...)`` to ``(n_recipes, ...)``."""
        n_seeds = self.n_seeds
        sums: Floats = np.add.reduceat(runs, np.cumsum(n_seeds) - n_seeds, axis=0)
        return sums / n_seeds.reshape(-1, *[1] * (runs.ndim - 1))

    def only(self, seeds: Mapping[str, Sequence[int]]) -> "Study":
        """Return the study of some runs: these seeds of these recipes, in this order."""
        first = dict(zip(self.seeds, np.cumsum(self.n_seeds) - self.n_seeds, strict=True))
        rows = [
            int(first[recipe]) + self.seeds[recipe].index(seed)
            for recipe, chosen in seeds.items()
            for seed in chosen
        ]
        return Study(
            sets=self.sets,
            seeds={recipe: tuple(chosen) for recipe, chosen in seeds.items()},
            sums={
                metric: {name: sums[rows] for name, sums in by_set.items()}
                for metric, by_set in self.sums.items()
            },
        )

    def groups(self) -> list[list[str]]:
        """Return the sets in groups that share no article with each other."""
        groups: list[tuple[list[str], set[str]]] = []
        for name, articles in self.sets.items():
            members, names = [name], set(articles.names)
            for group in [group for group in groups if group[1] & names]:
                groups.remove(group)
                members, names = [*group[0], *members], names | group[1]
            groups.append((members, names))
        return [members for members, _ in groups]


def study_of(sets: Iterable[QuestionSet], scores: ScoresByRun) -> Study:
    """Return the study of scores by recipe, seed and set.

    Raises:
        EvidenceError: As `study_of_runs`.
    """
    return study_of_runs(sets, _runs(scores))


def study_of_runs(
    sets: Iterable[QuestionSet], runs: Iterable[tuple[str, int, Mapping[str, Scores]]]
) -> Study:
    """Return the study of runs that may come one at a time: none is kept whole.

    Args:
        sets: The test sets.
        runs: Recipe, training seed and scores by set of each run, in any order; recipes stand in
            the order in which they come first, seeds by number.

    Raises:
        EvidenceError: If there is no set or no run, a set or a run comes twice, the sets of a run
            are not those of the study, its questions are not those of the set, or a score is not
            from 0 to 100.
    """
    known: dict[str, QuestionSet] = {}
    for one in sets:
        if one.name in known:
            raise EvidenceError(f"test set {one.name}: it is there more than once")
        known[one.name] = one
    if not known:
        raise EvidenceError("there is no test set to compare recipes on")
    found: dict[str, dict[int, dict[str, dict[Metric, Floats]]]] = {}
    for recipe, seed, scores in runs:
        where = f"recipe {recipe}, seed {seed}"
        of_recipe = found.setdefault(recipe, {})
        if seed in of_recipe:
            raise EvidenceError(f"{where}: it came twice")
        if set(scores) != set(known):
            raise EvidenceError(
                f"{where}: it was measured on {', '.join(sorted(scores)) or 'nothing'}, the study"
                f" is about {', '.join(sorted(known))}"
            )
        of_recipe[seed] = {
            name: _sums(one, scores[name], f"{where}, set {name}") for name, one in known.items()
        }
    if not found:
        raise EvidenceError("there is no run to compare")
    ordered = {recipe: dict(sorted(of_recipe.items())) for recipe, of_recipe in found.items()}
    return Study(
        sets={
            name: Articles(
                role=one.role,
                n_questions=np.bincount(one.clusters).astype(np.float64),
                names=one.articles,
            )
            for name, one in known.items()
        },
        seeds={recipe: tuple(of_recipe) for recipe, of_recipe in ordered.items()},
        sums={
            metric: {
                name: np.stack(
                    [run[name][metric] for runs_ in ordered.values() for run in runs_.values()]
                )
                for name in known
            }
            for metric in METRICS
        },
    )


def only_articles(study: Study, kept: Mapping[str, NDArray[np.bool_]], *, suffix: str) -> Study:
    """Return the study on some of the articles, its sets renamed by a suffix.

    Args:
        study: The study.
        kept: For each set to keep, which of its articles; a set without any is left out.
        suffix: Added to the names of the sets.
    """
    some = {name: mask for name, mask in kept.items() if mask.any()}
    return Study(
        sets={
            name + suffix: Articles(
                role=study.sets[name].role,
                n_questions=study.sets[name].n_questions[mask],
                names=tuple(np.array(study.sets[name].names)[mask].tolist())
                if study.sets[name].names
                else (),
            )
            for name, mask in some.items()
        },
        seeds=study.seeds,
        sums={
            metric: {name + suffix: sums[name][:, mask] for name, mask in some.items()}
            for metric, sums in study.sums.items()
        },
    )


def side_by_side(first: Study, second: Study) -> Study:
    """Return one study with the sets of two that hold the same runs."""
    return Study(
        sets={**first.sets, **second.sets},
        seeds=first.seeds,
        sums={metric: {**first.sums[metric], **second.sums[metric]} for metric in first.sums},
    )


def _runs(scores: ScoresByRun) -> Iterator[tuple[str, int, Mapping[str, Scores]]]:
    for recipe, of_recipe in scores.items():
        for seed, of_run in of_recipe.items():
            yield recipe, seed, of_run


def _sums(known: QuestionSet, scores: Scores, where: str) -> dict[Metric, Floats]:
    _same_questions(known, scores, where)
    sums: dict[Metric, Floats] = {}
    for metric in METRICS:
        values = scores.of(metric)
        if values.shape != (len(known.ids),):
            raise EvidenceError(
                f"{where}: {len(known.ids)} questions, but {metric} has the shape {values.shape}"
            )
        # Not a number is neither above nor below.
        wrong = np.flatnonzero(~((values >= -_ROUNDING) & (values <= 100 + _ROUNDING)))
        if wrong.size:
            raise EvidenceError(
                f"{where}: {metric} of question {known.ids[wrong[0]]!r} is {values[wrong[0]]}, not"
                " from 0 to 100"
            )
        weighted = np.bincount(known.clusters, weights=values)
        sums[metric] = weighted.astype(np.float64, copy=False)
    return sums


def _same_questions(known: QuestionSet, scores: Scores, where: str) -> None:
    if scores.ids is known.ids:
        return
    if len(scores.ids) != len(known.ids):
        raise EvidenceError(
            f"{where}: {len(scores.ids)} questions, but the set has {len(known.ids)}: recipes are"
            " compared on the same questions only"
        )
    for ours, theirs in zip(scores.ids, known.ids, strict=True):
        if ours != theirs:
            raise EvidenceError(
                f"{where}: question {ours!r} stands where the set has {theirs!r}: recipes are"
                " compared on the same questions in the same order only"
            )


def _first_repeated(names: Sequence[str]) -> str:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return ""
