"""All expectations, as a table for the docs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from augqa.blends import GENERATED, REAL
from augqa.drift import profile
from augqa.expectations.asked import ExpectationSuite
from augqa.expectations.suites import (
    blend_suite,
    contexts_suite,
    kept_suite,
    pairs_suite,
    pool_suite,
)
from augqa.params import load_params
from augqa.records import Answer, QAExample, context_id

# Held against nothing here: only their names and words are listed.
_EXAMPLE = QAExample(
    id="q",
    context_id=context_id("a"),
    context="a",
    question="a?",
    answers=(Answer(text="a", start=0),),
    origin="real",
    context_origin="real",
)


def suites() -> dict[str, ExpectationSuite]:
    """Return the suite of each artefact, with every filter on and every number asked for."""
    filters = load_params(Path("profiles/embedded.yaml")).filter_pairs.model_dump()
    on: dict[str, Any] = {
        key: True if value is False else 1 if value is None else value
        for key, value in filters.items()
    }
    return {
        "pool": pool_suite(),
        "contexts": contexts_suite(max_words=1, max_failed_fraction=0.1),
        "pairs": pairs_suite(max_answer_words=1, min_question_words=1, max_question_words=1),
        "kept": kept_suite(
            settings=on,
            real=profile([_EXAMPLE]),
            max_question_word_drift=1.0,
            max_length_drift=1.0,
        ),
        "blend": blend_suite("mix", origins=(REAL, GENERATED), n_examples=1, n_generated=1),
    }


def table() -> str:
    """Return, for each artefact, a Markdown table of what it promises."""
    return "\n".join(
        f"### `{name}`\n\n{_rows(name, list(suite.expectations))}"
        for name, suite in suites().items()
    )


def _rows(name: str, expectations: Sequence[Any]) -> str:
    lines = [
        "| table | expectation | severity | promise | relied on by |",
        "|---|---|---|---|---|",
    ]
    for one in expectations:
        severity = getattr(one.severity, "value", one.severity)
        relied_on_by = ", ".join(one.meta["relied_on_by"])
        lines.append(
            f"| `{name}` | `{one.meta['name']}` | {severity} | {one.description} | {relied_on_by} |"
        )
    return "\n".join(lines) + "\n"
