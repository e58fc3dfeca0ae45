"""Filters of generated pairs: a catalogue, each entry with its check, params, reasons and promise.

To add one, register a `Filter` here or in a plug-in; nothing else knows the filters by name.
"""

# The order of the modules, and in them of the entries, is the order of the checks.
from augqa.filters import wording, alone, among  # noqa: F401, I001
from augqa.filters.deciding import (
    Decision,
    JudgedAlone,
    advice,
    counts,
    decide,
    in_step,
    judge_alone,
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
from augqa.filters.rows import judge_rows
from augqa.filters.tallying import Tally, tally

__all__ = [
    "FILTERS",
    "Bounds",
    "Candidate",
    "Decision",
    "Filter",
    "JudgedAlone",
    "Promise",
    "Settings",
    "Surroundings",
    "Tally",
    "advice",
    "counts",
    "decide",
    "in_step",
    "judge_alone",
    "judge_rows",
    "n_seed_questions_needed",
    "promises_in_force",
    "reasons",
    "schema",
    "tally",
]
