"""Tables to hold against gates: sound rows, and a way to break them for each expectation."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from augqa.blends import KINDS
from augqa.drift import ASPECTS, profile
from augqa.expectations import (
    Filtered,
    Finding,
    Frame,
    blend_suite,
    context_frame,
    contexts_suite,
    example_frame,
    kept_suite,
    pairs_suite,
    pool_suite,
    run_suite,
)
from augqa.overlap import HeldOutTexts, NgramIndex
from augqa.records import GeneratedContext, QAExample, RoundTripAnswer, context_id
from augqa.tables import schema
from tests.examples import example

Row = dict[str, Any]
Break = Callable[[Row], Row]

# What the pool looks like that kept pairs are held against: like the sound rows.
REAL = profile(
    [
        example(
            context="In 1818 the author of text seed0 wrote a long book.",
            question="When was the book of seed0 written?",
            answer="1818",
        )
    ]
    * 200
)
SETTINGS: Mapping[str, Any] = {
    "min_question_words": 3,
    "max_question_words": 12,
    "drop_passage_dependent": True,
    "drop_garbled": True,
    "min_content_words": 2,
    "max_answer_words": 5,
    "max_repeated_fraction": 0.5,
    "test_overlap_words": 3,
    "max_test_overlap_fraction": 0.5,
    "min_round_trip_f1": 50.0,
    "round_trip_exact_match": True,
    "min_reader_score": 1.0,
    "min_duplicate_similarity": None,
    "max_pairs_per_context": 1,
    "target_kept": 1000,
}
FILTERED = Filtered(
    held_out=HeldOutTexts(
        contexts=NgramIndex(["A text of a test set."], n_words=3),
        questions=NgramIndex(["Where is the capital of France?"], n_words=3),
    ),
    settings=SETTINGS,
)

LENGTHS = {"max_answer_words": 5, "min_question_words": 3, "max_question_words": 12}
SUITES: Mapping[str, Callable[[], Any]] = {
    "pool": pool_suite,
    "contexts": lambda: contexts_suite(max_words=30, max_failed_fraction=0.0),
    "pairs": lambda: pairs_suite(**LENGTHS),
    "kept": lambda: suite_of_kept(SETTINGS),
    "blend": lambda: blend_suite(
        "mix", origins=KINDS.get("mix").origins, n_examples=4, n_generated=2
    ),
}


def suite_of_kept(settings: Mapping[str, Any]) -> Any:
    """Return the suite of kept pairs under these settings of the filters."""
    return kept_suite(
        settings=settings, real=REAL, max_question_word_drift=0.25, max_length_drift=0.5
    )


# --- Sound rows, and one way to break them for each expectation ------------------------------


def example_row(id_: str, origin: str = "real", **changes: Any) -> Row:
    context = f"In 1818 the author of text {id_} wrote a long book."
    row = {
        "id": id_,
        "context": context,
        "question": "When was the book written?",
        "answers": [{"text": "1818", "start": 3}],
        "origin": origin,
        "context_origin": origin,
        "method": None if origin == "real" else "llm",
        "model": None,
        "prompt_sha256": None,
        **changes,
    }
    return {"context_id": context_id(row["context"]), **row}


def context_row(n: int, **changes: Any) -> Row:
    return {
        "id": f"seed{n}/c0",
        "source_id": f"seed{n}",
        "text": f"Text {n} of a language model.",
        "failure": None,
        "model": "small-model",
        "finish_reason": "stop",
        "prompt_tokens": 20,
        "completion_tokens": 30,
        "prompt_sha256": "0" * 64,
        "style": "plain",
        "n_tries": 1,
        "origin": "generated",
        **changes,
    }


def changed(**values: Any) -> Break:
    return lambda row: {**row, **values}


LOOPING = "In 1818" + " the author of this long book." * 3
ANSWERED_ELSEWHERE = [{"text": "1818", "start": 4}]
EXAMPLE_BREAKS: Mapping[str, Break] = {
    "id_not_blank": changed(id=" "),
    "context_not_blank": changed(context=" \n"),
    "question_not_blank": changed(question="  "),
    "answer_present": changed(answers=[]),
    "answer_not_blank": changed(answers=[{"text": " ", "start": 2}]),
    "answer_at_its_start": changed(answers=ANSWERED_ELSEWHERE),
    "context_id_fits": changed(context_id="0123456789abcdef"),
    "origin": changed(context_origin="copied"),
}
ASKED_AGAIN = changed(
    context="The same 1818.",
    context_id=context_id("The same 1818."),
    question="When was the same book written?",
)
REPEATED: Mapping[str, Sequence[Break]] = {
    "id_unique": (changed(id="twice"), changed(id="twice")),
    "question_unique": (ASKED_AGAIN, ASKED_AGAIN),
}
PAIR_BREAKS: Mapping[str, Break] = {
    "one_answer": changed(answers=[{"text": "1818", "start": 3}] * 2),
    "method_named": changed(method=None),
}
BREAKS: Mapping[str, Mapping[str, Break | Sequence[Break]]] = {
    "pool": {
        **EXAMPLE_BREAKS,
        **REPEATED,
        "context_not_in_test": changed(
            context="A text of a test set.", context_id=context_id("A text of a test set.")
        ),
    },
    "contexts": {
        "id_unique": (changed(id="twice/c0"), changed(id="twice/c0")),
        "id_names_seed": changed(id="seed1/context"),
        "source_is_a_seed": lambda row: {**row, "source_id": "nobody", "id": "nobody/c0"},
        "failures_within_limit": changed(failure="truncated", text=""),
        "text_where_no_failure": changed(text=" "),
        "words_within_limit": changed(text="word " * 31),
        "text_not_repeated": (changed(text="Again."), changed(text="Again.")),
        "model_named": changed(model=None),
        "tokens_counted": changed(prompt_tokens=0),
        "prompt_hashed": changed(prompt_sha256="none"),
    },
    "pairs": {
        **EXAMPLE_BREAKS,
        **PAIR_BREAKS,
        "id_unique": (changed(id="seed0/twice"), changed(id="seed0/twice")),
        "id_begins_with_seed": changed(id="nobody/c0/p0"),
    },
    "kept": {
        **EXAMPLE_BREAKS,
        **PAIR_BREAKS,
        **REPEATED,
        "round_trip_answered": changed(id="unread"),
        "round_trip_agrees": changed(id="wrong"),
        "reader_score_within_filter": changed(id="guessed"),
        "stands_alone": changed(question="According to the passage, when was it written?"),
        "is_well_formed": changed(question="The novel was written when and where?"),
        "tells_what_it_is_about": changed(question="When was it written then?"),
        "does_not_loop": changed(context=LOOPING, context_id=context_id(LOOPING)),
        "is_a_question": changed(question="When was? No question here"),
        "answer_not_in_question": changed(question="Was it in 1818 then?"),
        # As that of the first sound row, with the same answer.
        "question_not_repeated": changed(question="When was the book of seed0 written?"),
        "round_trip_exact": changed(id="inexact"),
        "pairs_per_context_within_filter": (
            changed(context="Shared: 1818.", context_id=context_id("Shared: 1818.")),
            changed(context="Shared: 1818.", context_id=context_id("Shared: 1818.")),
        ),
        "context_not_in_test": changed(
            context="A text of a test set.", context_id=context_id("A text of a test set.")
        ),
        "question_not_in_test": changed(question="Where is the capital of France?"),
        "question_words_within_filter": changed(question="Two words?"),
        "answer_words_within_filter": changed(
            answers=[{"text": "1818 the author of text seed0", "start": 3}]
        ),
    },
    "blend": {
        **EXAMPLE_BREAKS,
        **REPEATED,
        "pool_id_if_real": changed(origin="generated", context_origin="generated"),
        "answer_is_whole_words": changed(
            context_origin="generated", answers=[{"text": "818", "start": 4}]
        ),
    },
}
# About the whole table, each with a run of its own.
DRIFT = {f"{aspect}_drift" for aspect in ASPECTS}
WHOLE_TABLE = {"columns", "row_count", "n_generated_as_asked", "within_target"} | DRIFT
MOSTLY = {
    "question_words_mostly_within_filter",
    "answer_words_mostly_within_filter",
    "question_mark_mostly",
}


def sound_rows(artefact: str, n: int = 4) -> list[Row]:
    if artefact == "contexts":
        return [context_row(i) for i in range(n)]
    if artefact == "pool":
        return [example_row(f"q{i}") for i in range(n)]
    if artefact == "blend":
        pairs = [example_row(f"seed{i}/c0/p0", "generated") for i in range(n // 2)]
        return [example_row(f"q{i}") for i in range(n - n // 2)] + pairs
    if artefact == "kept":
        return [kept_row(i) for i in range(n)]
    return [example_row(f"seed{i}/c0/p0", "generated") for i in range(n)]


def kept_row(n: int) -> Row:
    question = f"When was the book of seed{n} written?"
    return example_row(f"seed{n}/c0/p0", "generated", question=question)


def broken_rows(artefact: str) -> tuple[list[Row], dict[str, set[int]]]:
    """Return a table with sound rows first, and the broken rows of each expectation."""
    rows = sound_rows(artefact)
    places: dict[str, set[int]] = {}
    n = 100
    for name, breaks in BREAKS[artefact].items():
        for broken in breaks if isinstance(breaks, Sequence) else [breaks]:
            if artefact == "contexts":
                sound = context_row(n)
            elif artefact in ("pool", "blend"):
                sound = example_row(f"q{n}")
            elif artefact == "kept":
                sound = kept_row(n)
            else:
                sound = example_row(f"seed{n}/c0/p0", "generated")
            places.setdefault(name, set()).add(len(rows))
            rows.append(broken(sound))
            n += 1
    return rows, places


def write_rows(path: Path, rows: Iterable[Row], record: type[Any]) -> Path:
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema(record)), path)
    return path


def frame_of(artefact: str, rows: Sequence[Row], folder: Path) -> Frame:
    record = GeneratedContext if artefact == "contexts" else QAExample
    path = write_rows(folder / "table.parquet", rows, record)
    seeds = {f"seed{n}" for n in range(200)}
    match artefact:
        case "contexts":
            return context_frame(path, seed_ids=seeds)
        case "pool":
            test_contexts = {context_id("A text of a test set.")}
            return example_frame(path, reference_ids=test_contexts, by="context_id")
        case "pairs":
            return example_frame(path, reference_ids=seeds, by="source")
        case "kept":
            answers = [
                {
                    "id": row["id"],
                    "text": "1819" if row["id"] == "inexact" else "1818",
                    "score": 0.9 if row["id"] == "guessed" else 1.0,
                    "f1": 49.9 if row["id"] == "wrong" else 80.0,
                }
                for row in rows
                if row["id"] != "unread"
            ]
            read = write_rows(folder / "answers.parquet", answers, RoundTripAnswer)
            return example_frame(path, round_trip=read, filtered=FILTERED)
        case _:
            return example_frame(path, reference_ids={f"q{n}" for n in range(200)})


def outcome_of(
    artefact: str, rows: Sequence[Row], folder: Path, suite: Any = None
) -> dict[str, Finding]:
    outcome = run_suite(frame_of(artefact, rows, folder), suite or SUITES[artefact]())
    return {finding.name: finding for finding in outcome.findings}
