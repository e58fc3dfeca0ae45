"""The short file for `dvc exp show`: what a person wants of many experiments, one row each."""

from typing import Any

from augqa.evidence import SHIFTS, Evidence


def headline(found: Evidence, *, n_kept: int) -> dict[str, Any]:
    """Return the numbers of metrics/headline.json.

    Args:
        found: What the study says.
        n_kept: Pairs that passed the filters.

    Returns:
        ``mean_shift_f1`` a recipe; ``delta``, ``low`` and ``high`` of each comparison that was
        named before the run, by its recipe, corrected; and ``n_kept``. What could not be made is
        left out. No time: the file is in git and in dvc.lock, and another machine needs another.
    """
    numbers: dict[str, dict[str, float]] = {"mean_shift_f1": {}, "delta": {}, "low": {}, "high": {}}
    for row in found.recipes:
        if SHIFTS in row.scores["f1"]:
            numbers["mean_shift_f1"][row.recipe] = round(row.scores["f1"][SHIFTS].mean, 2)
    recipes = [one.planned.recipe for one in found.primary]
    for group in found.primary:
        one = group.overall
        if one is None:
            continue
        # A recipe that is held against two controls needs both names.
        name = group.planned.recipe
        if recipes.count(name) > 1:
            name += f"_{group.planned.against}"
        low = one.low if one.corrected_low is None else one.corrected_low
        high = one.high if one.corrected_high is None else one.corrected_high
        for key, value in (("delta", one.difference), ("low", low), ("high", high)):
            numbers[key][name] = round(value, 2)
    return {
        **{key: value for key, value in numbers.items() if value},
        "n_kept": n_kept,
    }
