"""Text to windows of tokens, each distinct text tokenised once.

A window is what the model reads at once: the question and one stretch of the context, with
the checkpoint's special tokens around them. Windows are kept flat, one after the other, with
no padding anywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from augqa.errors import ReaderError

Ints = npt.NDArray[np.int32]
Offsets = npt.NDArray[np.int64]

_LEAST_ROOM = 2  # context tokens beside a question: with one, windows could not overlap
_CHUNK = 2048  # texts handed to the tokenizer at once: bounds the memory its results take


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """The special tokens around question and context, and the type of each part."""

    before: tuple[int, ...]
    between: tuple[int, ...]
    after: tuple[int, ...]
    question_type: int
    context_type: int

    @property
    def n_special(self) -> int:
        return len(self.before) + len(self.between) + len(self.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """All windows of a list of questions, in the order of the questions.

    Attributes:
        ids: Token ids of all windows, one window after the other, shape ``(n_tokens,)``.
        starts: Where each window begins in `ids`, and the end, shape ``(n_windows + 1,)``.
        question: Index of each window's question, shape ``(n_windows,)``.
        context_at: Position of the first context token in its window, same shape.
        context_from: Index of that token in `char_start` and `char_end`, same shape.
        n_context: Context tokens in each window, same shape.
        char_start: First character of each token of the distinct contexts.
        char_end: One past its last character, in the same context.
        type_before: Token type of all that stands before the context.
        type_context: Token type of the context and what follows it.
    """

    ids: Ints
    starts: Offsets
    question: Ints
    context_at: Ints
    context_from: Offsets
    n_context: Ints
    char_start: Ints
    char_end: Ints
    type_before: int
    type_context: int

    def __len__(self) -> int:
        return len(self.question)

    @property
    def lengths(self) -> Offsets:
        return np.diff(self.starts)

    def only(self, chosen: Offsets) -> "Windows":
        """Return the windows `chosen` alone, in that order, without the offsets in their contexts.

        They can be read and travel; to say where an answer is, one needs the whole.
        """
        lengths = self.starts[chosen + 1] - self.starts[chosen]
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        ids = np.empty(starts[-1], dtype=np.int32)
        _copy(ids, starts[:-1], self.ids, self.starts[chosen], lengths)
        none = np.empty(0, dtype=np.int32)
        return Windows(
            ids=ids,
            starts=starts,
            question=self.question[chosen],
            context_at=self.context_at[chosen],
            context_from=self.context_from[chosen],
            n_context=self.n_context[chosen],
            char_start=none,
            char_end=none,
            type_before=self.type_before,
            type_context=self.type_context,
        )


def template_of(tokenizer: Any) -> Template:
    """Read the special tokens of a pair off the tokenizer's own encoding of one.

    Raises:
        ReaderError: If the tokenizer does not put the second text behind the first.
    """
    pair = tokenizer.backend_tokenizer.encode("a", "b")
    first = [i for i, sequence in enumerate(pair.sequence_ids) if sequence == 0]
    second = [i for i, sequence in enumerate(pair.sequence_ids) if sequence == 1]
    if not first or not second or first[-1] > second[0]:
        raise ReaderError(
            f"tokenizer {type(tokenizer).__name__} does not encode a question and a context as a"
            " pair. Choose another checkpoint."
        )
    return Template(
        before=tuple(pair.ids[: first[0]]),
        between=tuple(pair.ids[first[-1] + 1 : second[0]]),
        after=tuple(pair.ids[second[-1] + 1 :]),
        question_type=pair.type_ids[first[0]],
        context_type=pair.type_ids[second[0]],
    )


def make_windows(
    tokenizer: Any,
    questions: Sequence[str],
    contexts: Sequence[str],
    *,
    max_seq_length: int,
    doc_stride: int,
) -> Windows:
    """Cut every question's context into windows of at most `max_seq_length` tokens.

    Two neighbours share `doc_stride` tokens, or half of the room beside a long question.

    Args:
        tokenizer: A fast tokenizer.
        questions: The questions.
        contexts: The context of each; equal ones are tokenised once.
        max_seq_length: Most tokens in a window, special ones included.
        doc_stride: Context tokens that two neighbouring windows share.

    Returns:
        The windows. A question that `refuse_unread` would refuse has none.
    """
    template = template_of(tokenizer)
    question_ids, question_starts, question_of = _tokenise_distinct(
        tokenizer, [question.lstrip() for question in questions]
    )[:3]
    context_ids, context_starts, context_of, char_start, char_end = _tokenise_distinct(
        tokenizer, contexts
    )
    n_question = np.diff(question_starts)[question_of]
    n_context = np.diff(context_starts)[context_of]
    room = max_seq_length - template.n_special - n_question
    read = (n_question > 0) & (n_context > 0) & (room >= _LEAST_ROOM)

    stride = np.minimum(doc_stride, room // 2)
    step = np.where(read, room - stride, 1)
    n_windows = np.where(read, 1 + np.maximum(0, -(-(n_context - room) // step)), 0)
    question = np.repeat(np.arange(len(questions)), n_windows)
    number = np.arange(len(question)) - np.repeat(np.cumsum(n_windows) - n_windows, n_windows)
    first = number * step[question]
    taken = np.minimum(room[question], n_context[question] - first)
    asked = n_question[question]

    lengths = template.n_special + asked + taken
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    flat = np.empty(starts[-1], dtype=np.int32)
    at = starts[:-1].copy()
    for special in template.before:
        flat[at] = special
        at += 1
    _copy(flat, at, question_ids, question_starts[question_of[question]], asked)
    at += asked
    for special in template.between:
        flat[at] = special
        at += 1
    context_at = at - starts[:-1]
    context_from = context_starts[context_of[question]] + first
    _copy(flat, at, context_ids, context_from, taken)
    at += taken
    for special in template.after:
        flat[at] = special
        at += 1
    return Windows(
        ids=flat,
        starts=starts,
        question=question.astype(np.int32),
        context_at=context_at.astype(np.int32),
        context_from=context_from.astype(np.int64),
        n_context=taken.astype(np.int32),
        char_start=char_start,
        char_end=char_end,
        type_before=template.question_type,
        type_context=template.context_type,
    )


def refuse_unread(tokenizer: Any, question: str, context: str, *, max_seq_length: int) -> None:
    """Refuse a question that has no windows.

    Raises:
        ReaderError: If the question is empty or leaves no room for a context, or the context has
            no token.
    """
    n_question, n_context = (
        len(tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids)
        for text in (question.lstrip(), context)
    )
    if n_question == 0:
        raise ReaderError(f"the question is empty: {question!r}")
    if n_context == 0:
        raise ReaderError("the context has no token")
    if max_seq_length - template_of(tokenizer).n_special - n_question < _LEAST_ROOM:
        raise ReaderError(
            f"the question takes {n_question} tokens, which leaves no room for a context within"
            f" max_seq_length {max_seq_length}"
        )


def label_windows(
    windows: Windows, starts: Sequence[int], ends: Sequence[int]
) -> tuple[Offsets, Ints, Ints]:
    """Find the answers in the windows.

    Args:
        windows: The windows of the questions.
        starts: First character of each question's answer, in its context.
        ends: One past its last character.

    Returns:
        The indices of the windows that hold their question's whole answer, and the positions
        of its first and last token in them, both inclusive.
    """
    n_questions = len(starts)
    rows = np.unique(windows.question)
    first_window = np.searchsorted(windows.question, rows)
    last_window = np.searchsorted(windows.question, rows, side="right") - 1
    begins = windows.context_from[first_window]
    stops = windows.context_from[last_window] + windows.n_context[last_window]
    first = np.empty(n_questions, dtype=np.int64)
    last = np.empty(n_questions, dtype=np.int64)
    for row, begin, stop in zip(rows.tolist(), begins, stops, strict=True):
        # The first token that ends behind the answer's start, the last that starts before its end.
        first[row] = begin + windows.char_end[begin:stop].searchsorted(starts[row], side="right")
        last[row] = begin + windows.char_start[begin:stop].searchsorted(ends[row]) - 1
    begin = windows.context_from
    stop = begin + windows.n_context
    first, last = first[windows.question], last[windows.question]
    held = np.flatnonzero((begin <= first) & (first <= last) & (last < stop))
    to_window = windows.context_at[held] - begin[held]
    return (
        held,
        (to_window + first[held]).astype(np.int32),
        (to_window + last[held]).astype(np.int32),
    )


def _tokenise_distinct(
    tokenizer: Any, texts: Sequence[str]
) -> tuple[Ints, Offsets, Offsets, Ints, Ints]:
    """Tokenise each distinct text once, without special tokens.

    Returns:
        Flat ids, where each distinct text begins in them, the index of the distinct text of
        each of `texts`, and the flat first and past-the-last characters.
    """
    number: dict[str, int] = {}
    of = np.fromiter((number.setdefault(text, len(number)) for text in texts), dtype=np.int64)
    distinct = list(number)
    ids: list[Ints] = []
    spans: list[Ints] = []
    lengths = [0]
    for begin in range(0, len(distinct), _CHUNK):
        encodings = tokenizer.backend_tokenizer.encode_batch(
            distinct[begin : begin + _CHUNK], add_special_tokens=False
        )
        for encoding in encodings:
            ids.append(np.asarray(encoding.ids, dtype=np.int32))
            spans.append(np.asarray(encoding.offsets, dtype=np.int32).reshape(-1, 2))
            lengths.append(len(encoding.ids))
    flat_spans = np.concatenate([np.empty((0, 2), dtype=np.int32), *spans])
    return (
        np.concatenate([np.empty(0, dtype=np.int32), *ids]),
        np.cumsum(lengths),
        of,
        np.ascontiguousarray(flat_spans[:, 0]),
        np.ascontiguousarray(flat_spans[:, 1]),
    )


def _copy(target: Ints, to: Offsets, source: Ints, begin: Offsets, lengths: Offsets) -> None:
    """Copy many runs at once: ``source[begin : begin + length]`` to ``target[to:]``."""
    ends = np.cumsum(lengths)
    inner = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths)
    target[np.repeat(to, lengths) + inner] = source[np.repeat(begin, lengths) + inner]
