"""What generated text is like: how varied, how readable, how close to real text.

Words are those of `augqa.sentences`: case-folded, without punctuation. Fractions go from 0 to 1.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from sacrebleu.metrics import BLEU
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline

from augqa.records import QAExample
from augqa.scoring import normalize_answer
from augqa.sentences import n_words, sentence_spans, words
from augqa.spans import locate_answer

_VOWELS = re.compile(r"[aeiouyàâäáæèéêëíìîïóòôöøœúùûü]+")


def distinct_n(texts: Iterable[str], *, n: int) -> float:
    """Return the fraction of all runs of `n` words that are distinct; 0 where there is none.

    It falls as texts are added, so that only sets of about equal size compare.

    Source: Li et al. 2016 (arXiv:1510.03055).
    """
    total = 0
    distinct: set[tuple[str, ...]] = set()
    for text in texts:
        found = words(text)
        grams = [tuple(found[i : i + n]) for i in range(len(found) - n + 1)]
        total += len(grams)
        distinct.update(grams)
    return len(distinct) / total if total else 0.0


def self_bleu(texts: Sequence[str], *, n_sample: int, seed: int) -> float:
    """Return the mean BLEU of each text against all others of a seeded sample, in percent.

    100 means that all say the same. The time grows with the square of the sample.

    Args:
        texts: The texts.
        n_sample: Most texts to compare with each other.
        seed: Chooses them, by their text and place alone.

    Raises:
        ValueError: If there are fewer than two texts.

    Source: Zhu et al. 2018 (arXiv:1802.01886), with sacrebleu's tokens and smoothing.
    """
    if len(texts) < 2:
        raise ValueError(f"Self-BLEU compares texts with each other, there are {len(texts)}")
    ranked = sorted(
        range(len(texts)),
        key=lambda i: hashlib.sha256(f"{seed}:{i}:{texts[i]}".encode()).hexdigest(),
    )
    sample = [texts[i] for i in ranked[:n_sample]]
    bleu = BLEU(effective_order=True)
    scores = [
        bleu.sentence_score(text, sample[:i] + sample[i + 1 :]).score
        for i, text in enumerate(sample)
    ]
    return float(np.mean(scores))


def vocabulary_growth(texts: Iterable[str], *, every_words: int) -> list[tuple[int, int]]:
    """Return how many distinct words there are after each `every_words` words, and at the end.

    Returns:
        Pairs of words read and distinct words among them.
    """
    seen: set[str] = set()
    growth: list[tuple[int, int]] = []
    n_words = 0
    for text in texts:
        for word in words(text):
            n_words += 1
            seen.add(word)
            if n_words % every_words == 0:
                growth.append((n_words, len(seen)))
    if n_words % every_words:
        growth.append((n_words, len(seen)))
    return growth


def answer_words(examples: Iterable[QAExample]) -> list[int]:
    """Return the length of each example's first answer, in words that white space parts."""
    return [n_words(example.answers[0].text) for example in examples]


def answer_positions(examples: Iterable[QAExample]) -> list[float]:
    """Return where in its context each first answer begins: 0 at its first character, below 1."""
    return [example.answers[0].start / len(example.context) for example in examples]


def histogram(values: Sequence[float], *, edges: Sequence[float]) -> list[float]:
    """Return the fraction of the values in each bin of ``edges``.

    A bin holds its lower edge and not its upper one, but the last holds both. What lies outside
    belongs to no bin.
    """
    counts, _ = np.histogram(values, bins=edges)
    return [float(count) / len(values) for count in counts] if values else [0.0] * len(counts)


def flesch_reading_ease(text: str) -> float | None:
    """Return the Flesch reading ease of an English text: 100 is very easy, below 30 very hard.

    206.835 − 1.015 · words/sentences − 84.6 · syllables/words, with `syllables` as estimate. None
    for a text without a word.

    Source: Flesch 1948, A new readability yardstick.
    """
    found = words(text)
    if not found:
        return None
    n_sentences = max(1, len(sentence_spans(text)))
    n_syllables = sum(syllables(word) for word in found)
    return 206.835 - 1.015 * len(found) / n_sentences - 84.6 * n_syllables / len(found)


def syllables(word: str) -> int:
    """Return about how many syllables an English word has: its groups of vowels, at least one.

    A silent final e, and that of -es and -ed, does not count, unless it is the only vowel or part
    of -le after a consonant (``ta-ble``), or a t, d or sibilant before it makes it sound.
    """
    lowered = word.lower()
    n = len(_VOWELS.findall(lowered))
    silent = re.search(r"[^aeiouyl]e$|[aeiouy]le$|[^aeiouytd]ed$|[^aeiouyszxc]es$", lowered)
    if silent and not re.search(r"(?:sh|ch|g)es$|[^aeiouy]les$", lowered):
        n -= 1
    return max(1, n)


def duplicate_fraction(texts: Sequence[str]) -> float:
    """Return the fraction of the texts that repeat an earlier one, after SQuAD's normalization."""
    distinct = {normalize_answer(text) for text in texts}
    return (len(texts) - len(distinct)) / len(texts) if texts else 0.0


def two_sample_auc(
    real: Sequence[str], generated: Sequence[str], *, n_folds: int, seed: int
) -> float:
    """Return how well a classifier tells generated from real text: 0.5 not at all, 1 always.

    Cross-validated area under the ROC curve of a logistic regression on TF-IDF of words and word
    pairs. As many of each kind should go in.

    Raises:
        ValueError: If one kind has fewer texts than there are folds.

    Source: classifier two-sample test, Lopez-Paz and Oquab 2017 (arXiv:1610.06545).
    """
    fewest = min(len(real), len(generated))
    if fewest < n_folds:
        raise ValueError(f"{n_folds} folds need as many texts of each kind, one has {fewest}")
    classifier = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", sublinear_tf=True),
        LogisticRegression(max_iter=1000),
    )
    scores = cross_val_score(
        classifier,
        [*real, *generated],
        [0] * len(real) + [1] * len(generated),
        scoring="roc_auc",
        cv=StratifiedKFold(n_folds, shuffle=True, random_state=seed),
    )
    return float(np.mean(scores))


def seed_answer_fraction(
    contexts: Mapping[str, Sequence[str]], seeds: Iterable[QAExample]
) -> float:
    """Return the fraction of generated contexts that hold an answer to their seed question.

    Args:
        contexts: Texts generated for each seed's id; a seed may be missing.
        seeds: The seed questions.
    """
    held = [
        any(
            locate_answer(text, answer.text, question=seed.question) is not None
            for answer in seed.answers
        )
        for seed in seeds
        for text in contexts.get(seed.id, ())
    ]
    return sum(held) / len(held) if held else 0.0
