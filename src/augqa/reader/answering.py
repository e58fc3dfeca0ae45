"""The reader: a question and a context in, a span of the context out."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

import numpy as np
import torch
from tqdm import tqdm

from augqa.checkpoint_source import find_checkpoint
from augqa.errors import ReaderError
from augqa.executor.face import Executor, Prepared
from augqa.executor.local import LOCAL
from augqa.executor.models import movable
from augqa.finetuning.batches import passes
from augqa.finetuning.saving import save_checkpoint
from augqa.reader.batch import make_batch
from augqa.reader.bert import Bert
from augqa.reader.bert_weights import Weights
from augqa.reader.calibration import EXAMPLES
from augqa.reader.feature_cache import cached_windows
from augqa.reader.features import Windows, refuse_unread
from augqa.reader.int8 import Int8Bert
from augqa.reader.opening import SETTINGS, open_reader
from augqa.reader.parameters import QuestionAnswerer
from augqa.reader.working import Answering

if TYPE_CHECKING:
    from augqa.reader.packed import PackedEncoder

Engine = Literal["float32", "int8"]

_PASS_TOKENS = 1024  # the model reads at once: enough for the products, few enough for caches
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
        text: The exact characters of the span, without white space around them.
        start: Offset of the first one in the context, in characters.
        score: Start logit plus end logit: comparable between answers of one reader.
    """

    text: str
    start: int
    score: float

    @property
    def is_answer(self) -> bool:
        """Whether the question could be read at all."""
        return self != UNANSWERED


# To a question that is empty or too long to leave room for a context, or on an empty context. Its
# score is below all others, and finite, so that it can stand in tables.
UNANSWERED = ReaderAnswer(text="", start=0, score=-1e9)


@dataclass(slots=True, kw_only=True)
class Reader:
    """An extractive question-answering model with its tokenizer.

    Attributes:
        model: A question-answering model of transformers, or its parameters alone.
        tokenizer: Its fast tokenizer.
        max_seq_length: Most tokens the model reads at once; longer contexts are cut in windows.
        doc_stride: Context tokens that two neighbouring windows share.
        max_answer_tokens: Longest answer, in tokens.
        n_best: Starts and ends looked at in each window.
        threads: CPU threads: another number gives other last digits.
        engine: Precision of the products: ``int8`` is faster and answers a few questions
            otherwise.
    """

    model: Any
    tokenizer: Any
    max_seq_length: int = 384
    doc_stride: int = 128
    max_answer_tokens: int = 30
    n_best: int = 20
    threads: int = 2
    engine: Engine = "float32"
    _encoder: "PackedEncoder | None" = field(init=False, repr=False, default=None)
    bert: Bert | None = field(init=False, repr=False, default=None)
    _int8: tuple[int, Int8Bert] | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        if isinstance(self.model, QuestionAnswerer):
            most = self.model.max_positions
            self.bert = Bert(self.model, self.model.first_position)
        else:
            self.model.to("cuda" if torch.cuda.is_available() else "cpu")
            most = self.encoder.max_positions
            if self.encoder.packs and Weights.fit(self.model):
                self.bert = Bert(self.model, self.encoder.first_position)
        if self.engine == "int8" and self.bert is None:
            raise ReaderError(
                f"engine int8 is for BERT and RoBERTa on a CPU, not for {type(self.model).__name__}"
                f" on {self.encoder.device}. Set engine to float32."
            )
        if self.max_seq_length > most:
            raise ReaderError(
                f"max_seq_length {self.max_seq_length} is above the {most} positions that"
                f" {type(self.model).__name__} has"
            )

    @property
    def encoder(self) -> "PackedEncoder":
        """The model fed with packed batches; from then on it has transformers' modules."""
        if self._encoder is None:
            # Imports these.
            from augqa.reader.packed import PackedEncoder, with_modules  # noqa: PLC0415

            if isinstance(self.model, QuestionAnswerer):
                self.model = with_modules(self.model)
            self._encoder = PackedEncoder(self.model)
        return self._encoder

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as what it was made from: what was made of the weights is made anew."""
        names = (*_SETTING_NAMES, "threads", "engine")
        settings = {name: getattr(self, name) for name in names}
        return _made, (movable(self.model), self.tokenizer, settings)

    @classmethod
    def load(
        cls,
        checkpoint: str | Path,
        *,
        threads: int = 2,
        engine: Engine = "float32",
        head_seed: int | None = None,
        param: str = "checkpoint",
        **settings: int,
    ) -> Self:
        """Load a reader.

        Args:
            checkpoint: A folder, a packaged encoder's name, or a hub name, which may end in
                ``@revision``. Safetensors alone, no code of the checkpoint's own.
            threads: CPU threads to answer on.
            engine: ``float32`` or ``int8``.
            head_seed: Draws the head of a checkpoint that has none; None refuses such a one.
            param: The param that names the checkpoint, for messages.
            **settings: `max_seq_length`, `doc_stride`, `max_answer_tokens`, `n_best`; those
                left out are as the reader was saved.

        Raises:
            CheckpointError: If the checkpoint is missing, refused or incomplete.
            ReaderError: If it cannot read what the settings ask.
        """
        source = find_checkpoint(checkpoint, param=param)
        saved = _saved_settings(source.folder)
        model, tokenizer = open_reader(source, head_seed=head_seed)
        model.eval()
        return cls(
            model=model,
            tokenizer=tokenizer,
            threads=threads,
            engine=engine,
            **{**saved, **settings},
        )

    def save(self, folder: Path) -> None:
        """Write a folder that `Reader.load` and transformers load. Equal readers, equal bytes.

        Raises:
            DataError: If it cannot be written; the folder then stays as it was.
        """
        settings = {name: getattr(self, name) for name in _SETTING_NAMES}
        save_checkpoint(folder, self.model, self.tokenizer, others={SETTINGS: settings})

    def answer(self, question: str, context: str) -> ReaderAnswer:
        """Answer one question on its context.

        Raises:
            ReaderError: If either is empty, or the question leaves no room for the context.
        """
        answer = self.answer_texts([question], [context])[0]
        if not answer.is_answer:
            refuse_unread(self.tokenizer, question, context, max_seq_length=self.max_seq_length)
        return answer

    def answer_all(
        self,
        examples: Sequence[Asked],
        *,
        batch_size: int = 32,
        cache: Path | None = None,
        executor: Executor = LOCAL,
    ) -> list[ReaderAnswer]:
        """Answer many questions; the answers come in the order of `examples`.

        One that cannot be read, such as one too long to leave room for a context, is `UNANSWERED`.

        Args:
            examples: Questions with their contexts; equal contexts are tokenised once.
            batch_size: Windows the model reads at once.
            cache: Folder where the tokens of these texts are kept for the next time.
            executor: Who reads them; the answers are the same bytes.

        Raises:
            ReaderError: If the reader gives logits that are not finite.
            ExecutorError: As `Executor.map`.
        """
        return self.answer_texts(
            [example.question for example in examples],
            [example.context for example in examples],
            batch_size=batch_size,
            cache=cache,
            executor=executor,
        )

    def answer_texts(
        self,
        questions: Sequence[str],
        contexts: Sequence[str],
        *,
        batch_size: int = 32,
        cache: Path | None = None,
        executor: Executor = LOCAL,
    ) -> list[ReaderAnswer]:
        """Answer ``questions[i]`` on ``contexts[i]``, as `answer_all`."""
        if not questions:
            return []
        windows = self.windows(questions, contexts, cache=cache)
        first, last, score = self._spans(windows, batch_size, executor)
        best = _best_window(windows.question, score, len(questions))
        answers = []
        for context, window in zip(contexts, best.tolist(), strict=True):
            if window < 0:
                answers.append(UNANSWERED)
                continue
            at = windows.context_from[window]
            start = int(windows.char_start[at + first[window]])
            end = int(windows.char_end[at + last[window]])
            # Some tokenizers count the space before a word to it.
            text = context[start:end].lstrip()
            start = end - len(text)
            answers.append(
                ReaderAnswer(text=text.rstrip(), start=start, score=float(score[window]))
            )
        return answers

    def windows(
        self,
        questions: Sequence[str],
        contexts: Sequence[str],
        *,
        cache: Path | None = None,
    ) -> Windows:
        """Return what the reader reads of ``questions[i]`` on ``contexts[i]``."""
        return cached_windows(
            cache,
            self.tokenizer,
            questions,
            contexts,
            max_seq_length=self.max_seq_length,
            doc_stride=self.doc_stride,
        )

    def _spans(self, windows: Windows, batch_size: int, executor: Executor) -> tuple[Any, Any, Any]:
        """Return each window's best span, in context tokens of the window, and its score."""
        first = np.empty(len(windows), dtype=np.int64)
        last = np.empty_like(first)
        score = np.empty(len(windows), dtype=np.float64)
        cut = passes(windows.lengths, _PASS_TOKENS, most_rows=batch_size)
        with tqdm(total=len(windows), desc="answer", unit="window", disable=None) as bar:
            found = executor.map(
                Answering(self),
                Prepared(cut, windows.only),
                done=lambda number: bar.update(len(cut[number])),
            )
        for chosen, spans in zip(cut, found, strict=True):
            first[chosen], last[chosen], score[chosen] = spans
        return first, last, score

    def quantised(self, bert: Bert) -> Int8Bert:
        """Return `bert` in 8 bits, made anew only after a change of the weights."""
        # torch counts the changes of each tensor.
        version = sum(parameter._version for parameter in self.model.parameters())
        if self._int8 is None or self._int8[0] != version:
            questions, contexts = zip(*EXAMPLES, strict=True)
            shown = self.windows(questions, contexts)
            self._int8 = (version, Int8Bert(bert, make_batch(shown, np.arange(len(shown)))))
        return self._int8[1]


def _made(model: Any, tokenizer: Any, settings: dict[str, Any]) -> Reader:
    return Reader(model=model, tokenizer=tokenizer, **settings)


def _best_window(question: Any, score: Any, n_questions: int) -> Any:
    """Return the index of each question's best window, the first of equal ones; -1: it has none."""
    order = np.lexsort((np.arange(len(score)), -score, question))
    asked, first = np.unique(question[order], return_index=True)
    best = np.full(n_questions, -1)
    best[asked] = order[first]
    return best


def _saved_settings(folder: Path | None) -> dict[str, int]:
    path = folder / SETTINGS if folder is not None else None
    if path is None or not path.is_file():
        return {}
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        return {name: int(saved[name]) for name in _SETTING_NAMES}
    except (ValueError, KeyError, TypeError) as error:
        raise ReaderError(f"{path}: not a reader's settings: {error}") from error
