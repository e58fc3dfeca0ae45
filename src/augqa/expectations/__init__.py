"""Gates: what each table promises to the stages that read it, held with Great Expectations.

A suite is built from plain values; a frame is a table with, beside its columns, one column for
each question that takes more than one of them. Only module `naming` imports Great Expectations,
which takes seven seconds: a gate where no row breaks a promise does without.
"""

from augqa.expectations.artefacts import ARTEFACTS, Bounds, gate_of, gates_of_blend
from augqa.expectations.asked import ExpectationSuite
from augqa.expectations.example_columns import Filtered
from augqa.expectations.frames import Frame, context_frame, example_frame, ids
from augqa.expectations.gate import Finding, Outcome, run_suite
from augqa.expectations.suites import (
    blend_suite,
    contexts_suite,
    kept_suite,
    pairs_suite,
    pool_suite,
)

__all__ = [
    "ARTEFACTS",
    "Bounds",
    "ExpectationSuite",
    "Filtered",
    "Finding",
    "Frame",
    "Outcome",
    "blend_suite",
    "context_frame",
    "contexts_suite",
    "example_frame",
    "gate_of",
    "gates_of_blend",
    "ids",
    "kept_suite",
    "pairs_suite",
    "pool_suite",
    "run_suite",
]
