"""Sets side by side: the same measures for each, and on equal sizes where size matters.

Sets go by name: `real` is what the others are compared with, `generated` is what came before the
filters, `kept` what passed them.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, pstdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augqa.drift import question_word_fractions
from augqa.overlap import similar_texts
from augqa.quality.measures import (
    answer_positions,
    answer_words,
    distinct_n,
    duplicate_fraction,
    flesch_reading_ease,
    histogram,
    seed_answer_fraction,
    self_bleu,
    two_sample_auc,
    vocabulary_growth,
)
from augqa.records import QAExample, Rejection, RoundTripAnswer, SampledPair
from augqa.sampling import choose, rank
from augqa.sentences import words

REAL = "real"
SHUFFLED = "shuffled"  # real questions and contexts that do not belong together

NEAR_DUPLICATE = (
    0.8  # Jaccard index of two texts' sets of four characters, from which on they count
)
_N_STEPS = 10  # of the growth of the vocabulary
_ANSWER_WORDS = {"1": 1, "2": 2, "3": 3, "4 to 5": 4, "6 to 10": 6, "over 10": 11}
_POSITIONS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)

# A seed question and a text that belongs to it, or is to be compared with one that does.
Seeded = tuple[QAExample, str]


def text_measures(
    sets: Mapping[str, Sequence[str]], *, n_self_bleu: int, seed: int
) -> dict[str, Any]:
    """Return what the texts of each set are like.

    Distinct n-grams and the growth of the vocabulary are counted over the first
    ``n_words_compared`` words of each set, as many as the smallest one has, in seeded order;
    self-BLEU compares ``n_self_bleu`` texts of each. It is None where a set has fewer than two.
    """
    ordered = {name: _in_order(texts, seed=seed) for name, texts in sets.items()}
    n_words = min(sum(len(words(text)) for text in texts) for texts in ordered.values())
    n_bleu = min(n_self_bleu, *(len(texts) for texts in ordered.values()))
    return {
        "n_words_compared": n_words,
        "n_self_bleu": n_bleu,
        "sets": {
            name: {
                "n": len(texts),
                "mean_words": _mean([float(len(words(text))) for text in texts]),
                "distinct_1": distinct_n(first_words(texts, n_words), n=1),
                "distinct_2": distinct_n(first_words(texts, n_words), n=2),
                "vocabulary": vocabulary(first_words(texts, n_words), n_words=n_words),
                "self_bleu": self_bleu(texts, n_sample=n_bleu, seed=seed) if n_bleu > 1 else None,
                "reading_ease": _mean([e for t in texts if (e := flesch_reading_ease(t))]),
                "duplicate_fraction": duplicate_fraction(texts),
                "near_duplicate_fraction": near_duplicate_fraction(texts),
            }
            for name, texts in ordered.items()
        },
    }


def first_words(texts: Iterable[str], n_words: int) -> list[str]:
    """Return the texts up to their first `n_words` words in all, the last one cut there."""
    taken: list[str] = []
    for text in texts:
        found = words(text)[:n_words]
        n_words -= len(found)
        if found:
            taken.append(" ".join(found))
    return taken


def vocabulary(texts: Iterable[str], *, n_words: int) -> list[int]:
    """Return the number of distinct words after each tenth of the `n_words` words of the texts.

    What does not divide by ten is left out at the end; fewer than ten words have no tenths.
    """
    every = n_words // _N_STEPS
    return [n for _, n in vocabulary_growth(texts, every_words=every)[:_N_STEPS]] if every else []


def near_duplicate_fraction(texts: Sequence[str]) -> float:
    """Return the fraction of the texts that equal, or nearly, an earlier one."""
    alike = similar_texts(texts, [range(len(texts))], NEAR_DUPLICATE)
    first: set[int] = set()
    for place in range(len(texts)):
        if all(other not in first for other, _ in alike.get(place, ())):
            first.add(place)
    return (len(texts) - len(first)) / len(texts) if texts else 0.0


def answer_measures(examples: Sequence[QAExample]) -> dict[str, Any]:
    """Return how long the first answers are, and in which fifth of their contexts they begin."""
    lengths = answer_words(examples)
    edges = [*_ANSWER_WORDS.values(), max([*lengths, *_ANSWER_WORDS.values()]) + 1]
    return {
        "n": len(lengths),
        "mean_words": _mean([float(length) for length in lengths]),
        "words": dict(zip(_ANSWER_WORDS, histogram(lengths, edges=edges), strict=True)),
        "position": histogram(answer_positions(examples), edges=_POSITIONS),
    }


def question_words(examples: Iterable[QAExample]) -> dict[str, float]:
    """Return the fraction of the questions for each question word."""
    return question_word_fractions(example.question for example in examples)


def shuffled(pairs: Sequence[Seeded]) -> list[Seeded]:
    """Give each seed the next text that belongs to a seed on another real context.

    The last ones take from the first. Seeds on one and the same context alone give nothing.
    """
    found = []
    for number, (seed, _) in enumerate(pairs):
        others = [*pairs[number + 1 :], *pairs[:number]]
        text = next((text for other, text in others if other.context_id != seed.context_id), None)
        if text is not None:
            found.append((seed, text))
    return found


def seed_measures(
    sets: Mapping[str, Sequence[Seeded]], vectors: Mapping[str, NDArray[np.float32]]
) -> dict[str, Any]:
    """Return how close texts are to their seed questions, and how many hold the seeds' answers.

    Args:
        sets: Seeds with their texts; one seed may have several.
        vectors: For each question and each text its embedding, of length 1.

    Returns:
        For each set the mean and the standard deviation of the cosines, and the fraction of texts
        that hold an answer of their seed; None for an empty set.
    """
    measured = {}
    for name, pairs in sets.items():
        cosines = [float(vectors[seed.question] @ vectors[text]) for seed, text in pairs]
        texts: dict[str, list[str]] = {}
        for seed, text in pairs:
            texts.setdefault(seed.id, []).append(text)
        seeds = {seed.id: seed for seed, _ in pairs}.values()
        measured[name] = {
            "n": len(pairs),
            "similarity": _mean(cosines),
            "similarity_std": pstdev(cosines) if cosines else None,
            "seed_answer_fraction": seed_answer_fraction(texts, seeds) if pairs else None,
        }
    return measured


def two_sample_aucs(
    sets: Mapping[str, Sequence[str]],
    against: Mapping[str, Sequence[str]],
    *,
    n_sample: int,
    n_folds: int,
    seed: int,
) -> dict[str, dict[str, float | None]]:
    """Return how well a classifier tells each set from each one it is held against.

    All that is held against one set is cut to one size, ``n``: a classifier of more texts tells
    more. None where that is less than `n_folds`. A set is not held against itself.

    Args:
        sets: Texts by name, in the order to take them in.
        against: As `sets`.
        n_sample: Most texts of a set.
        n_folds: Folds of the cross-validation.
        seed: Shares out the folds.
    """
    found: dict[str, dict[str, float | None]] = {}
    for other, other_texts in against.items():
        n = min(n_sample, len(other_texts), *(len(texts) for texts in sets.values()))
        found[other] = {"n": n}
        for name, texts in sets.items():
            if name != other:
                found[other][name] = (
                    two_sample_auc(other_texts[:n], texts[:n], n_folds=n_folds, seed=seed)
                    if n >= n_folds
                    else None
                )
    return found


def one_a_context(examples: Iterable[QAExample], *, seed: int) -> list[QAExample]:
    """Return one example on each context, in seeded order.

    A classifier would know the others by what their context is about.
    """
    first: dict[str, QAExample] = {}
    for example in sorted(examples, key=lambda example: rank(example.id, seed=seed)):
        first.setdefault(example.context_id, example)
    return list(first.values())


def chosen_pairs(
    pairs: Iterable[QAExample],
    rejections: Iterable[Rejection],
    *,
    seeds: Iterable[QAExample],
    round_trip: Iterable[RoundTripAnswer],
    n: int,
    seed: int,
) -> list[SampledPair]:
    """Return `n` pairs to look at, half of them rejected ones, kept ones first.

    Where one kind has fewer than half, the other fills up.

    Args:
        pairs: All pairs before the filters.
        rejections: Those the filters dropped.
        seeds: The seed questions; the id of a pair begins with that of its seed.
        round_trip: What the round-trip reader answered.
        n: Pairs wanted.
        seed: Chooses them.
    """
    by_id = {pair.id: pair for pair in pairs}
    dropped = {row.id: row for row in rejections}
    kept = choose(by_id.keys() - dropped.keys(), None, seed=seed)
    rejected = choose(by_id.keys() & dropped.keys(), None, seed=seed)
    n_rejected = min(len(rejected), max(n // 2, n - len(kept)))
    asked = {row.id: row.question for row in seeds}
    answered = {row.id: row for row in round_trip}
    return [
        SampledPair(
            id=id_,
            kept=id_ not in dropped,
            reason=dropped[id_].reason if id_ in dropped else None,
            detail=dropped[id_].detail if id_ in dropped else "",
            seed_question=_of_seed(id_, asked),
            question=by_id[id_].question,
            answer=by_id[id_].answers[0].text,
            answer_start=by_id[id_].answers[0].start,
            context=by_id[id_].context,
            round_trip_answer=answered[id_].text if id_ in answered else None,
            round_trip_f1=answered[id_].f1 if id_ in answered else None,
        )
        for id_ in [*kept[: n - n_rejected], *rejected[:n_rejected]]
    ]


def _of_seed(id_: str, asked: Mapping[str, str]) -> str:
    # An id may hold slashes of its own: the longest beginning that is a seed's counts.
    parts = id_.split("/")
    heads = ("/".join(parts[:k]) for k in range(len(parts), 0, -1))
    return next((asked[head] for head in heads if head in asked), "")


def _in_order(texts: Sequence[str], *, seed: int) -> list[str]:
    return sorted(texts, key=lambda text: rank(text, seed=seed))


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None
