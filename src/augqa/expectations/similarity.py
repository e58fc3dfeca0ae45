"""How similar the questions of a table are to earlier ones."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from augqa.overlap import similar_texts
from augqa.scoring import normalize_answer


class SimilarityToEarlier:
    """How similar each question is to the nearest earlier one of its context or its answer."""

    def __init__(self) -> None:
        self._texts: dict[str, int] = {}  # normalized questions, numbered
        self._text_of: list[int] = []
        # Contexts and answers, numbered; an answer that is missing is one of its own.
        self._groups: tuple[dict[str, int], dict[str, int]] = ({}, {})
        self._group_of: tuple[list[int], list[int]] = ([], [])

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in the next rows of the table."""
        rows = zip(
            batch.column("question").to_pylist(),
            batch.column("context_id").to_pylist(),
            batch.column("answers").to_pylist(),
            strict=True,
        )
        for question, own_context_id, answers in rows:
            text = normalize_answer(question)
            self._text_of.append(self._texts.setdefault(text, len(self._texts)))
            answer = answers[0] if answers else None
            keys = (own_context_id, normalize_answer(answer["text"]) if answer else None)
            for known, of, key in zip(self._groups, self._group_of, keys, strict=True):
                of.append(
                    len(self._text_of) * -1 if key is None else known.setdefault(key, len(known))
                )

    def values(self, min_similarity: float | None) -> NDArray[np.float64]:
        """Return the similarity of each row, 0 to 1; one below `min_similarity` may be 0.

        None for it: only of equal questions, which are of 1.
        """
        texts = np.asarray(self._text_of)
        nearest = np.zeros(len(texts))
        alike: Mapping[int, Sequence[tuple[int, float]]] = {}
        if min_similarity is not None:
            alike = similar_texts(list(self._texts), self._shared(texts), min_similarity)
        for of in self._group_of:
            first: dict[tuple[int, int], int] = {}
            for row, (group, text) in enumerate(zip(of, self._text_of, strict=True)):
                if first.setdefault((group, text), row) < row:
                    nearest[row] = 1.0
            for (group, text), row in first.items():
                for other, value in alike.get(text, ()):
                    if first.get((group, other), row) < row:
                        nearest[row] = max(nearest[row], value)
                    # A later row that asks the same is of 1 already.
        return nearest

    def n_on_context(self) -> NDArray[np.int64]:
        """Return how many rows have the context of each row."""
        numbers = np.asarray(self._group_of[0], np.int64)
        return np.bincount(numbers)[numbers] if len(numbers) else numbers

    def _shared(self, texts: NDArray[np.int64]) -> Iterator[list[int]]:
        """Yield the distinct questions of each context and of each answer that has several."""
        for of in self._group_of:
            groups = np.asarray(of)
            order = np.lexsort((texts, groups))
            starts = np.flatnonzero(np.diff(groups[order], prepend=groups[order[:1]] - 1))
            for part in np.split(order, starts[1:]):
                distinct = np.unique(texts[part])
                if len(distinct) > 1:
                    yield distinct.tolist()
