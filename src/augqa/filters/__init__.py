"""Filters of generated pairs: a catalogue, each entry with its check, params, reasons and promise.

To add one, register a `Filter` here or in a plug-in; nothing else knows the filters by name.
"""

# The order of the modules, and in them of the entries, is the order of the checks.
from augqa.filters import wording, alone, among  # noqa: F401, I001
from augqa.filters.deciding import (
    Answered,
    Decision,
    advice,
    counts,
    decide,
    in_step,
    n_seed_questions_needed,
)
from augqa.filters.entry import (
    FILTERS,
    Bounds,
    Candidate,
    Filter,
    Promise,
    Settings,
    Surroundings,
    promises_in_force,
    reasons,
    schema,
)
from augqa.filters.tallying import Tally, tally

__all__ = [
    "FILTERS",
    "Answered",
    "Bounds",
    "Candidate",
    "Decision",
    "Filter",
    "Promise",
    "Settings",
    "Surroundings",
    "Tally",
    "advice",
    "counts",
    "decide",
    "in_step",
    "n_seed_questions_needed",
    "promises_in_force",
    "reasons",
    "schema",
    "tally",
]
