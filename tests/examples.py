"""Short ways to make records and metrics in tests."""

from collections.abc import Iterable
from typing import Any

from augqa.records import Answer, GeneratedContext, Origin, QAExample, context_id
from augqa.test_sets import PUBLISHED, ReportedSet, Role

# The test sets of the committed params, in their order: home first.
SETS = ("squad", "new_wiki", "nyt", "amazon", "reddit")
SHIFTS = SETS[1:]


def reported(
    names: Iterable[str] = SETS, *, published: bool = True, stress: Iterable[str] = ()
) -> tuple[ReportedSet, ...]:
    """Return test sets by name: `squad` is home, those of `stress` stress tests, others shifts.

    Each has the content of the published set of its name, if there is one; none with `published`
    false.
    """
    roles: dict[str, Role] = {"squad": "home", **dict.fromkeys(stress, "stress")}
    return tuple(
        ReportedSet(
            name=name,
            title=f"Title of {name}",
            role=roles.get(name, "shift"),
            published=name if published and name in PUBLISHED else None,
        )
        for name in (*names, *stress)
    )


def example(
    id_: str = "q1",
    *,
    context: str = "Mary Shelley wrote Frankenstein in 1818.",
    question: str = "Who wrote Frankenstein?",
    answer: str = "Mary Shelley",
    origin: Origin = "real",
    context_origin: Origin = "real",
) -> QAExample:
    """Return a sound example; the answer is at its first occurrence."""
    return QAExample(
        id=id_,
        context_id=context_id(context),
        context=context,
        question=question,
        answers=(Answer(text=answer, start=context.index(answer)),),
        origin=origin,
        context_origin=context_origin,
    )


def generated_context(
    text: str, *, id_: str = "q1/c0", failure: str | None = None
) -> GeneratedContext:
    """Return a context of the source question that its id begins with."""
    return GeneratedContext(
        id=id_,
        source_id=id_.split("/")[0],
        text=text,
        failure=failure,
        model="m",
        finish_reason="stop",
        prompt_tokens=1,
        completion_tokens=1,
        prompt_sha256="0",
        style="encyclopedic",
    )


def quality_metrics() -> dict[str, Any]:
    """Return what metrics/quality.json holds, with numbers easy to know again."""
    text = {
        "n": 1500,
        "mean_words": 9.25,
        "distinct_1": 0.5,
        "distinct_2": 0.75,
        "vocabulary": [1, 2],
        "self_bleu": 12.34,
        "reading_ease": 64.5,
        "duplicate_fraction": 0.0,
        "near_duplicate_fraction": 0.125,
    }
    names = ("real", "generated", "kept")
    texts = {"n_words_compared": 2500, "n_self_bleu": 50, "sets": dict.fromkeys(names, text)}
    answers = {
        "n": 3,
        "mean_words": 2.5,
        "words": {"over 10": 0.0, "1": 1.0, "4 to 5": 0.0},
        "position": [1.0, 0.0, 0.0, 0.0, 0.0],
    }
    seeded = {"n": 32, "similarity_std": 0.1, "seed_answer_fraction": 0.0625}
    similarities = {"real": 0.61, "shuffled": 0.07, "generated": 0.43, "kept": 0.44}
    aucs = {
        "amazon": {"n": 20, "real": 0.97, "generated": 0.91, "kept": None},
        "real": {"n": 1000, "generated": 0.85, "kept": 0.8},
    }
    return {
        "contexts": texts,
        "questions": texts,
        "question_words": {
            "real": {"other": 0.5, "when": 0.1, "what": 0.4},
            "generated": {"other": 0.3, "when": 0.2, "what": 0.5},
            "kept": {"other": 0.0, "when": 0.0, "what": 1.0},
        },
        "answers": dict.fromkeys(names, answers),
        "seed_questions": {k: {**seeded, "similarity": v} for k, v in similarities.items()},
        "two_sample_auc": {"contexts": aucs, "questions": aucs},
    }
