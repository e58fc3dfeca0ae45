"""The reader: a question and a context in, a span of the context out."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import torch
from tqdm import tqdm

from augqa.errors import ReaderError
from augqa.reader.bert import Bert
from augqa.reader.checkpoints import find_checkpoint, load_model, load_tokenizer, save_checkpoint
from augqa.reader.decoding import best_spans
from augqa.reader.determinism import pinned
from augqa.reader.feature_cache import cached_windows
from augqa.reader.features import Windows
from augqa.reader.packed import PackedEncoder, make_batch, pad_context

_SETTINGS = "reader.json"
_SETTING_NAMES = ("max_seq_length", "doc_stride", "max_answer_tokens", "n_best")


class Asked(Protocol):
    """What can be answered, such as a `QAExample`."""

    @property
    def id(self) -> str: ...
    @property
    def question(self) -> str: ...
    @property
    def context(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderAnswer:
    """A span of the context.

    Attributes:
        text: The exact characters of the span.
        start: Offset of the first one in the context, in characters.
        score: Start logit plus end logit: comparable between answers of one reader.
    """

    text: str
    start: int
    score: float


@dataclass(slots=True, kw_only=True)
class Reader:
    """An extractive question-answering model with its tokenizer.

    Attributes:
        model: A question-answering model of transformers.
        tokenizer: Its fast tokenizer.
        max_seq_length: Most tokens the model reads at once; longer contexts are cut in windows.
        doc_stride: Context tokens that two neighbouring windows share.
        max_answer_tokens: Longest answer, in tokens.
        n_best: Starts and ends looked at in each window.
        threads: CPU threads: another number gives other last digits.
    """

    model: Any
    tokenizer: Any
    max_seq_length: int = 384
    doc_stride: int = 128
    max_answer_tokens: int = 30
    n_best: int = 20
    threads: int = 2
    encoder: PackedEncoder = field(init=False, repr=False)
    bert: Bert | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        self.model.to("cuda" if torch.cuda.is_available() else "cpu")
        self.encoder = PackedEncoder(self.model)
        if self.encoder.packs and Bert.fits(self.model):
            self.bert = Bert(self.model, self.encoder.first_position)
        most = self.encoder.max_positions
        if self.max_seq_length > most:
            raise ReaderError(
                f"max_seq_length {self.max_seq_length} is above the {most} positions that"
                f" {type(self.model).__name__} has"
            )

    @classmethod
    def load(
        cls,
        checkpoint: str | Path,
        *,
        threads: int = 2,
        head_seed: int | None = None,
        **settings: int,
    ) -> Self:
        """Load a reader.

        Args:
            checkpoint: A folder, a packaged encoder's name, or a hub name, which may end in
                ``@revision``. Safetensors alone, no code of the checkpoint's own.
            threads: CPU threads to answer on.
            head_seed: Draws the head of a checkpoint that has none; None refuses such a one.
            **settings: `max_seq_length`, `doc_stride`, `max_answer_tokens`, `n_best`; those
                left out are as the reader was saved.

        Raises:
            ReaderError: If the checkpoint is missing, refused or incomplete.
        """
        source = find_checkpoint(checkpoint)
        saved = _saved_settings(source.folder)
        model = load_model(source, head_seed=head_seed)
        model.eval()
        return cls(
            model=model,
            tokenizer=load_tokenizer(source),
            threads=threads,
            **{**saved, **settings},
        )

    def save(self, folder: Path) -> None:
        """Write a folder that `Reader.load` and transformers load. Equal readers, equal bytes."""
        save_checkpoint(folder, self.model, self.tokenizer)
        settings = {name: getattr(self, name) for name in _SETTING_NAMES}
        text = json.dumps(settings, indent=2, sort_keys=True)
        (folder / _SETTINGS).write_text(text + "\n", encoding="utf-8")

    def answer(self, question: str, context: str) -> ReaderAnswer:
        """Answer one question on its context.

        Raises:
            ReaderError: If either is empty, or the question leaves no room for the context.
        """
        return self.answer_texts([question], [context])[0]

    def answer_all(
        self, examples: Sequence[Asked], *, batch_size: int = 32, cache: Path | None = None
    ) -> list[ReaderAnswer]:
        """Answer many questions; the answers come in the order of `examples`.

        Args:
            examples: Questions with their contexts; equal contexts are tokenised once.
            batch_size: Windows the model reads at once.
            cache: Folder where the tokens of these texts are kept for the next time.

        Raises:
            ReaderError: As `answer`, naming the example.
        """
        return self.answer_texts(
            [example.question for example in examples],
            [example.context for example in examples],
            ids=[example.id for example in examples],
            batch_size=batch_size,
            cache=cache,
        )

    def answer_texts(
        self,
        questions: Sequence[str],
        contexts: Sequence[str],
        *,
        ids: Sequence[str] | None = None,
        batch_size: int = 32,
        cache: Path | None = None,
    ) -> list[ReaderAnswer]:
        """Answer ``questions[i]`` on ``contexts[i]``; `ids` name them in messages."""
        if not questions:
            return []
        names = ids if ids is not None else [f"question {i}" for i in range(len(questions))]
        windows = cached_windows(
            cache,
            self.tokenizer,
            questions,
            contexts,
            ids=names,
            max_seq_length=self.max_seq_length,
            doc_stride=self.doc_stride,
        )
        first, last, score = self._spans(windows, batch_size)
        best = _best_window(windows.question, score, len(questions))
        answers = []
        for context, window in zip(contexts, best.tolist(), strict=True):
            at = windows.context_from[window]
            start = int(windows.char_start[at + first[window]])
            end = int(windows.char_end[at + last[window]])
            answers.append(
                ReaderAnswer(text=context[start:end], start=start, score=float(score[window]))
            )
        return answers

    def _spans(self, windows: Windows, batch_size: int) -> tuple[Any, Any, Any]:
        """Return each window's best span, in context tokens of the window, and its score."""
        first = np.empty(len(windows), dtype=np.int64)
        last = np.empty_like(first)
        score = np.empty(len(windows), dtype=np.float64)
        # Equal lengths side by side: attention then takes them in one call.
        order = np.argsort(-windows.lengths, kind="stable")
        self.model.eval()
        bar = tqdm(total=len(order), desc="answer", unit="window", disable=None)
        with pinned(self.threads), torch.inference_mode(), bar:
            for begin in range(0, len(order), batch_size):
                chosen = order[begin : begin + batch_size]
                start, end = self.encoder.logits(make_batch(windows, chosen))
                if not (torch.isfinite(start).all() and torch.isfinite(end).all()):
                    raise ReaderError(
                        f"{type(self.model).__name__} gives logits that are not finite: its"
                        " weights are damaged"
                    )
                found = best_spans(
                    pad_context(start, windows, chosen),
                    pad_context(end, windows, chosen),
                    max_answer_tokens=self.max_answer_tokens,
                    n_best=self.n_best,
                )
                first[chosen], last[chosen], score[chosen] = (part.numpy() for part in found)
                bar.update(len(chosen))
        return first, last, score


def _best_window(question: Any, score: Any, n_questions: int) -> Any:
    """Return the index of each question's best window, the first of equal ones."""
    order = np.lexsort((np.arange(len(score)), -score, question))
    return order[np.searchsorted(question[order], np.arange(n_questions))]


def _saved_settings(folder: Path | None) -> dict[str, int]:
    path = folder / _SETTINGS if folder is not None else None
    if path is None or not path.is_file():
        return {}
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        return {name: int(saved[name]) for name in _SETTING_NAMES}
    except (ValueError, KeyError, TypeError) as error:
        raise ReaderError(f"{path}: not a reader's settings: {error}") from error
