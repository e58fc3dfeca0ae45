"""Whether a gain is larger on articles that the generated contexts are about.

A strong writer may know the very articles of a test set. If the gain came from there, it would be
larger on articles whose title occurs in a generated context than on the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augqa.errors import EvidenceError
from augqa.evidence.contrast import Estimate, joint
from augqa.evidence.scores import SHIFTS, Floats, Metric, Study, only_articles, side_by_side

_MENTIONED, _OTHER = " (mentioned)", " (not mentioned)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leakage:
    """The gain of a recipe on articles that generated contexts mention, and on the others.

    Attributes:
        recipe: What is tried.
        against: Its control.
        target: `SHIFTS` or the name of a set.
        mentioned: Gain on articles whose title occurs in a generated context.
        others: Gain on the others.
        difference: The one minus the other.
        n_articles: Mentioned and other articles.
        unsplit: Sets of the target that have fewer than two articles of a kind: not in it.
    """

    recipe: str
    against: str
    target: str
    mentioned: Estimate
    others: Estimate
    difference: Estimate
    n_articles: tuple[int, int]
    unsplit: tuple[str, ...]


def leakage(
    study: Study,
    recipe: str,
    against: str,
    mentioned: Mapping[str, NDArray[np.bool_]],
    *,
    metric: Metric = "f1",
) -> tuple[Leakage, ...]:
    """Return the gain on mentioned and on other articles, over the shifts and on each set.

    Args:
        study: The study.
        recipe: What is tried.
        against: Its control.
        mentioned: For each set whether the title of each article occurs in a generated context,
            shape ``(n_articles,)``.
        metric: Of the scores.

    Returns:
        The mean over the shifts first; nothing for what has fewer than two articles of a kind.

    Raises:
        EvidenceError: If a set is not in the study, or has another number of articles.
    """
    for name, mask in mentioned.items():
        if name not in study.sets or mask.shape != (study.sets[name].n_articles,):
            known = study.sets[name].n_articles if name in study.sets else "no such set"
            raise EvidenceError(
                f"mentioned articles of {name}: the shape {mask.shape}, but the study has {known}"
            )
    split = {
        name: mask.astype(bool)
        for name, mask in mentioned.items()
        if min(np.count_nonzero(mask), np.count_nonzero(~mask)) > 1
    }
    if not split:
        return ()
    parts = side_by_side(
        only_articles(study, split, suffix=_MENTIONED),
        only_articles(study, {name: ~mask for name, mask in split.items()}, suffix=_OTHER),
    )
    shifts = [name for name in study.shifts if name in split]
    wanted: dict[str, list[str]] = {SHIFTS: shifts} if shifts else {}
    wanted |= {name: [name] for name in split}
    return tuple(
        _gains(parts, recipe, against, target, names, metric, study)
        for target, names in wanted.items()
    )


def _gains(
    parts: Study,
    recipe: str,
    against: str,
    target: str,
    names: list[str],
    metric: Metric,
    study: Study,
) -> Leakage:
    order = list(parts.sets)
    coefficients: Floats = np.zeros((2, len(parts.seeds), len(order)))
    for row, suffix in enumerate((_MENTIONED, _OTHER)):
        for name in names:
            coefficients[row, parts.index(recipe), order.index(name + suffix)] += 1 / len(names)
            coefficients[row, parts.index(against), order.index(name + suffix)] -= 1 / len(names)
    both = joint(parts, coefficients, metric=metric)
    counts: Any = [
        sum(parts.sets[name + suffix].n_articles for name in names)
        for suffix in (_MENTIONED, _OTHER)
    ]
    return Leakage(
        recipe=recipe,
        against=against,
        target=target,
        mentioned=both.combine(np.array([1.0, 0.0])),
        others=both.combine(np.array([0.0, 1.0])),
        difference=both.combine(np.array([1.0, -1.0])),
        n_articles=(counts[0], counts[1]),
        unsplit=tuple(name for name in study.shifts if name not in names)
        if target == SHIFTS
        else (),
    )
