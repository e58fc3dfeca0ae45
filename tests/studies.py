"""Small studies whose numbers can be computed by hand."""

from collections.abc import Mapping, Sequence

import numpy as np

from augqa.evidence import QuestionSet, Scores, Study, study_of
from augqa.evidence.scores import Role

ROLES: Mapping[str, Role] = {"squad": "home", "attacked": "stress"}  # all others are shifts


def question_set(
    name: str, clusters: Sequence[int], articles: Sequence[str] = (), role: Role | None = None
) -> QuestionSet:
    return QuestionSet(
        name=name,
        role=role or ROLES.get(name, "shift"),
        ids=tuple(f"{name}-{n}" for n in range(len(clusters))),
        clusters=np.array(clusters),
        articles=tuple(articles),
    )


def scores(of: QuestionSet, values: Sequence[float]) -> Scores:
    """Return scores by both metrics: an exact match is half of the F1."""
    f1 = np.array(values, dtype=np.float64)
    return Scores(ids=of.ids, f1=f1, exact_match=f1 / 2)


def study(
    sets: Sequence[QuestionSet], runs: Mapping[str, Sequence[Mapping[str, Sequence[float]]]]
) -> Study:
    """Return a study of scores by recipe, seed (1, 2, ...), set and question."""
    return study_of(
        sets,
        {
            recipe: {
                seed: {one.name: scores(one, of_run[one.name]) for one in sets}
                for seed, of_run in enumerate(of_recipe, start=1)
            }
            for recipe, of_recipe in runs.items()
        },
    )


def level_study(
    levels: Mapping[str, Sequence[float | Sequence[float]]],
    *,
    sets: Sequence[str] = ("new_wiki", "amazon"),
    n_articles: int = 24,
    spread: float = 0.0,
) -> Study:
    """Return a study whose runs score the same on every question of a set.

    Args:
        levels: Score of each seed of each recipe, one number or one a set.
        sets: Names.
        n_articles: In each set, of two questions each.
        spread: By how much recipes differ on articles, every other one up and down, the first
            recipe once, the second twice and so on.
    """
    clusters = np.repeat(np.arange(n_articles), 2)
    waves = np.where(clusters % 2, spread, -spread)
    made = [question_set(name, clusters.tolist()) for name in sets]
    return study(
        made,
        {
            recipe: [
                {
                    name: (np.broadcast_to(level, len(sets))[k] + (place + 1) * waves).tolist()
                    for k, name in enumerate(sets)
                }
                for level in seeds
            ]
            for place, (recipe, seeds) in enumerate(levels.items())
        },
    )


def golden() -> Study:
    """Two recipes, two seeds, one shift of two articles: the numbers of the tests by hand.

    Means of runs: 60, 40 and 25, 15. Difference 30. Variance over seeds 200 and 50, pooled 125
    with 2 degrees of freedom. Seed averages differ by 70, 20 | 10, 20: articles lie 30 above and
    below, so that their part is 2/1 (900 + 900) / 4^2 = 225.
    """
    return study(
        [question_set("amazon", [0, 0, 1, 1])],
        {
            "augment": [{"amazon": [100, 60, 20, 60]}, {"amazon": [100, 20, 20, 20]}],
            "real": [{"amazon": [40, 20, 20, 20]}, {"amazon": [20, 20, 0, 20]}],
        },
    )
