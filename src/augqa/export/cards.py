"""The cards of an export: what it is, how it was made, from whom, its terms, its known faults."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from augqa.export.terms import Term, hub_licenses
from augqa.markdown import front_matter, plain, table
from augqa.metrics import Metrics
from augqa.records import QAExample

SPLIT = "data/train-00000-of-00001.parquet"

# Without them `datasets` would read starts in 64 bits, where SQuAD has 32.
_FEATURES = [
    *({"name": name, "dtype": "string"} for name in ("id", "title", "context", "question")),
    {
        "name": "answers",
        "struct": [
            {"name": "text", "list": "string"},
            {"name": "answer_start", "list": "int32"},
        ],
    },
]
_SHOWN = (
    ("words", "mean_words"),
    ("distinct words", "distinct_1"),
    ("distinct word pairs", "distinct_2"),
    ("self-BLEU", "self_bleu"),
    ("repeated", "duplicate_fraction"),
    ("nearly repeated", "near_duplicate_fraction"),
)


@dataclass(slots=True)
class Tally:
    """What was counted while the pairs were written.

    Attributes:
        n: Pairs.
        makers: Pairs by method and model.
        n_on_real: Pairs whose context is real text.
        prompts: Hashes of their prompts.
        contexts: Ids of their contexts.
    """

    n: int = 0
    makers: Counter[tuple[str, str]] = field(default_factory=Counter)
    n_on_real: int = 0
    prompts: set[str] = field(default_factory=set)
    contexts: set[str] = field(default_factory=set)

    def add(self, pair: QAExample) -> None:
        """Count a pair."""
        self.n += 1
        self.makers[pair.method or "", pair.model or ""] += 1
        self.n_on_real += pair.context_origin == "real"
        self.contexts.add(pair.context_id)
        if pair.prompt_sha256:
            self.prompts.add(pair.prompt_sha256)


def dataset_card(
    tally: Tally,
    *,
    terms: list[Term],
    commit: str,
    sample: bool,
    measured: Mapping[str, Metrics],
    warnings: Sequence[str],
) -> str:
    """Return the card of the kept pairs.

    Args:
        tally: What was counted.
        terms: What they may be used under.
        commit: The commit of the run, in words.
        sample: Whether the seed questions are of the project's own sample.
        measured: Metrics of the stages, by name; ``quality`` among them.
        warnings: Names of expectations of the gate that were not met.
    """
    head = front_matter(
        {
            "license": hub_licenses(terms),
            "task_categories": ["question-answering"],
            "task_ids": ["extractive-qa"],
            "tags": ["synthetic", "augqa"],
            "configs": [
                {"config_name": "default", "data_files": [{"split": "train", "path": SPLIT}]}
            ],
            "dataset_info": {
                "config_name": "default",
                "features": _FEATURES,
                "splits": [{"name": "train", "num_examples": tally.n}],
            },
        }
    )
    filters, contexts = measured["filter_pairs"], measured["generate_contexts"]
    dropped: Mapping[str, int] = filters.get("n_rejected", {})
    faults = [
        "Whatever a language model wrote as a fact was not checked: contexts may be wrong.",
        "An answer is an exact span of its context; whether it is the answer that a person would"
        " give was judged by a reader and by rules, not by people.",
    ]
    if sample:
        faults.append("The seed questions are of a small sample: this shows the form, not quality.")
    if n := filters.get("n_not_english"):
        faults.append(f"{n:,} pairs do not read as English.")
    faults += [f"The gate warned of {plain(name)}." for name in warnings]
    writers = contexts.get("n_by_model") or {}
    parts = [
        "# Generated question-answer pairs",
        f"{tally.n:,} pairs on {len(tally.contexts):,} contexts, in the form of SQuAD v1.1: a"
        " question, a context, and an answer that is an exact span of it. No person wrote them."
        + (f" {tally.n_on_real:,} of them are on real contexts." if tally.n_on_real else ""),
        "## How they were made",
        "A context was written for each seed question, pairs were made from the contexts, a reader"
        " trained on real data answered them, and filters kept those that hold together."
        f" Commit: {plain(commit)}. `augqa explain --pair ID` follows one back to its seed, prompt"
        " and reader's answer; `title` is the id of its context, and an id begins with its seed's.",
        table(
            ("pairs by", "model", "pairs"),
            [(method, model or "none", n) for (method, model), n in sorted(tally.makers.items())],
        ),
        table(("contexts asked of", "requests"), sorted(writers.items())) if writers else "",
        "Prompts, by SHA-256: "
        + (", ".join(f"`{one}`" for one in sorted(tally.prompts)) or "none"),
        "## Terms",
        terms_table(terms),
        "## Known faults",
        "\n".join(f"- {fault}" for fault in faults),
        table(("dropped by a filter", "pairs"), sorted(dropped.items())) if dropped else "",
        "## Quality",
        "Measured on a sample of each set; `real` is the training set, `generated` is before the"
        " filters. Fractions are from 0 to 1.",
        *_quality(measured["quality"]),
    ]
    return head + "\n" + "\n\n".join(part for part in parts if part) + "\n"


def terms_table(terms: Sequence[Term]) -> str:
    """Return the terms as a table."""
    return table(
        ("part", "licence", "cite"), [(one.what, one.license, one.citation) for one in terms]
    )


def _quality(quality: Metrics) -> list[str]:
    """Return a table of texts, and one of how well a classifier tells them from real ones."""
    parts = []
    for kind in ("contexts", "questions"):
        sets: Mapping[str, Any] = quality[kind]["sets"]
        rows = [
            (words, *(_number(found.get(key)) for found in sets.values())) for words, key in _SHOWN
        ]
        parts.append(table((kind, *sets), rows))
    told = [
        (kind, *(_number(quality["two_sample_auc"][kind]["real"].get(of)) for of in _MADE))
        for kind in ("contexts", "questions")
    ]
    parts.append(
        "How well a classifier tells them from the real ones (AUC: 0.5 not at all, 1 always):\n\n"
        + table(("", *_MADE), told)
    )
    seeds = quality["seed_questions"]
    parts.append(
        table(
            ("contexts beside their seed question", *seeds),
            [
                (words, *(_number(found.get(key)) for found in seeds.values()))
                for words, key in (
                    ("similarity", "similarity"),
                    ("hold the seed's answer", "seed_answer_fraction"),
                )
            ],
        )
    )
    return parts


_MADE = ("generated", "kept")


def _number(value: Any) -> str:
    return "–" if value is None else f"{float(value):.2f}"


def reader_card(card: str, terms: Sequence[Term], scores: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the card that a training wrote, with scores, terms and the hub's names of them.

    Args:
        card: As the training wrote it: a head in YAML, then Markdown.
        terms: Of the checkpoint, the data and the language model it learned from.
        scores: Exact match and F1 in percent, by test set.
    """
    licenses = front_matter({"license": hub_licenses(list(terms))}).split("---\n")[1]
    rows = [
        (name, f"{of['exact_match']:.1f}", f"{of['f1']:.1f}", f"{of['n_questions']:,}")
        for name, of in scores.items()
    ]
    parts = [
        card.replace("---\n", f"---\n{licenses}", 1).rstrip(),
        "## Scores",
        table(("test set", "exact match", "F1", "questions"), rows),
        "## Terms of what it was made from",
        terms_table(terms),
    ]
    return "\n\n".join(parts) + "\n"
