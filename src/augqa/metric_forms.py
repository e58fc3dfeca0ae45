"""Forms of the metrics files that are read again: what kind of value stands under which key.

A key that is missing is found where it is asked for; one more than these is no fault.
"""

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # typing's does for pydantic from 3.12 on

from augqa.errors import DataError
from augqa.metrics import read_metrics
from augqa.yaml_text import cut

Count = Annotated[int, Field(ge=0)]
Counts = dict[str, Count]
# JSON has no infinity; Python's reader takes one.
Number = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
FIFTHS = 5
Label = Annotated[str, Field(pattern=r"^(over )?\d{1,9}( to \d+)?$")]


class SetScores(TypedDict, total=False):
    """Scores of one reader, or their means, on one test set; in percent."""

    exact_match: Number
    f1: Number
    n_questions: Count


class Summary(TypedDict, total=False):
    """`summary.json`: scores by recipe and test set."""

    regimes: dict[str, dict[str, SetScores]]
    not_available: list[str]


class Evaluation(TypedDict, total=False):
    """`evaluate/RECIPE-SEED.json`."""

    run_key: str
    sets: dict[str, SetScores]
    not_available: list[str]


class Blend(TypedDict, total=False):
    """`blend/RECIPE.json`."""

    n_real: Count
    n_generated: Count
    n_dropped: Counts


class Expectation(TypedDict, total=False):
    """What a gate found of one promise."""

    success: bool
    severity: str
    unexpected_count: int
    unexpected_fraction: Share


class Gate(TypedDict, total=False):
    """`validation/TABLE.json`."""

    success: bool
    n_rows: Count
    expectations: dict[str, Expectation]


class Prepared(TypedDict, total=False):
    """`prepare.json`."""

    content: dict[str, str]
    n_pool: Count
    n_seed_questions: Count
    n_dropped: Counts


class Contexts(TypedDict, total=False):
    """`generate_contexts.json`."""

    n_contexts: Count
    n_failed: Counts
    n_requests: Count
    n_by_model: Counts
    list_cost_usd: Number | None


class Pairs(TypedDict, total=False):
    """`generate_pairs.json`."""

    n_pairs: Count
    n_rejected: Counts
    n_requests: Count
    n_by_model: Counts
    list_cost_usd: Number | None


class Filtered(TypedDict, total=False):
    """`filter_pairs.json`."""

    n_kept: Count
    n_rejected: Counts
    n_seed_questions_needed: Count | None


class SeedSimilarity(TypedDict, total=False):
    """Contexts of one set beside their seed questions."""

    n: Count
    similarity: Number | None
    similarity_std: Number | None
    seed_answer_fraction: Share | None


class TextMeasures(TypedDict, total=False):
    """Texts of one set."""

    n: Count
    mean_words: Number
    distinct_1: Share | None
    distinct_2: Share | None
    self_bleu: Number | None
    reading_ease: Number | None
    duplicate_fraction: Share
    near_duplicate_fraction: Share


class Texts(TypedDict, total=False):
    """Texts of all sets, compared at one size."""

    n_self_bleu: Count
    n_words_compared: Count
    sets: Annotated[dict[str, TextMeasures], Field(min_length=1)]


class Answers(TypedDict, total=False):
    """Answers of one set: shares by length and by fifth of the context."""

    n: Count
    mean_words: Number
    words: Annotated[dict[Label, Share], Field(min_length=1)]
    position: Annotated[list[Share], Field(min_length=FIFTHS, max_length=FIFTHS)]


class Auc(TypedDict, total=False):
    """How well a classifier tells each set from another one, by n texts of each."""

    n: Count
    real: Share | None
    shuffled: Share | None
    generated: Share | None
    kept: Share | None


class Quality(TypedDict, total=False):
    """`quality.json`."""

    seed_questions: Annotated[dict[str, SeedSimilarity], Field(min_length=1)]
    contexts: Texts
    questions: Texts
    question_words: Annotated[dict[str, dict[str, Share]], Field(min_length=1)]
    answers: Annotated[dict[str, Answers], Field(min_length=1)]
    two_sample_auc: dict[str, dict[str, Auc]]


class Evidence(TypedDict, total=False):
    """`evidence.json`: what a study says, in words and in numbers."""

    evidence: dict[str, Any]
    words: dict[str, str | list[str] | list[dict[str, str]]]


def read_form(path: Path, form: type) -> dict[str, Any]:
    """Read a metrics file of a form.

    Args:
        path: The file.
        form: One of the forms above.

    Raises:
        DataError: If the file is missing, is not a JSON object, or has a value of another kind.
    """
    metrics = read_metrics(path)
    try:
        TypeAdapter(form).validate_python(metrics, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DataError(
            f"{path}: {cut(place)} is {cut(json.dumps(first['input']))}: {first['msg'].lower()}."
            " Another version of augqa wrote it, or another hand. Run `augqa run`, which makes it"
            " anew."
        ) from None
    return metrics
