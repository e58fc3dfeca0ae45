"""Exact match and F1 with the semantics of the official SQuAD v1.1 evaluation.

Both compare a gold answer with a predicted one after the same normalization, and both are in
percent. Source: Rajpurkar et al. 2016 (arXiv:1606.05250), section 6.1.
"""

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Means over the questions of one set.

    Attributes:
        exact_match: Percent of questions answered exactly.
        f1: Mean token F1, in percent.
        n_questions: Questions counted, unanswered ones included.
    """

    exact_match: float
    f1: float
    n_questions: int


def normalize_answer(text: str) -> str:
    """Lower-case, delete ASCII punctuation, drop a/an/the, collapse white space.

    Example: ``"The  U.S. Army!"`` gives ``"us army"``.
    """
    lowered = text.lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", lowered).split())


def exact_match(gold: str, answer: str) -> float:
    """Return 100 if both are the same after normalization, else 0."""
    return 100.0 if normalize_answer(gold) == normalize_answer(answer) else 0.0


def f1(gold: str, answer: str) -> float:
    """Return the harmonic mean of token precision and recall, over token multisets, in percent.

    As in the official script, two answers without any token (such as "the" and "a") share no
    token and score 0.
    """
    gold_tokens = normalize_answer(gold).split()
    answer_tokens = normalize_answer(answer).split()
    n_same = sum((Counter(gold_tokens) & Counter(answer_tokens)).values())
    if n_same == 0:
        return 0.0
    precision = n_same / len(answer_tokens)
    recall = n_same / len(gold_tokens)
    return 100.0 * 2 * precision * recall / (precision + recall)


def best_scores(golds: Sequence[str], answer: str) -> tuple[float, float]:
    """Return exact match and F1 of one answer, each with its own maximum over the golds.

    Raises:
        ValueError: If there is no gold answer.
    """
    if not golds:
        raise ValueError("a question without a gold answer cannot be scored")
    return max(exact_match(g, answer) for g in golds), max(f1(g, answer) for g in golds)


def score_each(
    golds: Mapping[str, Sequence[str]], predictions: Mapping[str, str]
) -> dict[str, tuple[float, float]]:
    """Return exact match and F1 of each question, in percent.

    Args:
        golds: Gold answers of each question id: the questions that count.
        predictions: Predicted answer of each question id. A missing one scores 0 and counts;
            one to an id that is not in `golds` is not looked at.

    Raises:
        ValueError: If a question without a gold answer was answered.
    """
    return {
        id_: best_scores(answers, predictions[id_]) if id_ in predictions else (0.0, 0.0)
        for id_, answers in golds.items()
    }


def mean_score(scores: Mapping[str, tuple[float, float]]) -> Score:
    """Return the means over the questions of one set.

    Raises:
        ValueError: If there is no question.
    """
    if not scores:
        raise ValueError("no question to score")
    return Score(
        exact_match=sum(exact for exact, _ in scores.values()) / len(scores),
        f1=sum(overlap for _, overlap in scores.values()) / len(scores),
        n_questions=len(scores),
    )


def score(golds: Mapping[str, Sequence[str]], predictions: Mapping[str, str]) -> Score:
    """Score the predictions for one test set: the mean of `score_each`.

    Raises:
        ValueError: If there is no question, or one without a gold answer.
    """
    return mean_score(score_each(golds, predictions))
