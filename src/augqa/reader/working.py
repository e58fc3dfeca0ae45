"""Answering as a work of batches: a pass of windows in, the best span of each out."""

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from augqa.errors import ReaderError
from augqa.executor.models import model_key
from augqa.finetuning.determinism import pinned
from augqa.reader.batch import make_batch, pad_context
from augqa.reader.bert import Bert
from augqa.reader.buffers import Workspace
from augqa.reader.decoding import best_spans
from augqa.reader.features import Windows

if TYPE_CHECKING:
    from augqa.reader.answering import Reader
    from augqa.reader.int8 import Int8Bert

# First and last context token of each window's best span, and its score.
Spans = tuple[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Answering:
    """The best spans of passes; a `Work`.

    Attributes:
        reader: Who answers.
    """

    reader: "Reader"

    @property
    def n_at_once(self) -> int:
        """Passes at once: each on one thread where we do the products, else all threads for one."""
        return self.reader.threads if self.reader.bert is not None else 1

    @property
    def is_kept(self) -> bool:
        """Not kept aside: a pass takes a tenth of a second."""
        return False

    def key(self) -> str:
        """Return a hash of all that a span depends on, but for the windows."""
        reader = self.reader
        names = ("max_answer_tokens", "n_best", "threads", "engine")
        return model_key(reader.model, "answering", *(getattr(reader, name) for name in names))

    @contextmanager
    def session(self) -> Iterator[Callable[[Windows], Spans]]:
        """Give the function that reads a pass, on pinned threads."""
        reader = self.reader
        reader.model.eval()
        with pinned(reader.threads):
            yield self._padded if reader.bert is None else self._written_out(reader.bert)

    def _padded(self, windows: Windows) -> Spans:
        with torch.inference_mode():
            batch = make_batch(windows, np.arange(len(windows)))
            start, end = self.reader.encoder.logits(batch)
            return self._best(windows, (start.float(), end.float()))

    def _written_out(self, bert: Bert) -> Callable[[Windows], Spans]:
        """Return what reads a pass on one thread, with a workspace of its own."""
        bert.weights.refresh(training=False)
        engine: Bert | Int8Bert = bert
        if self.reader.engine == "int8":
            engine = self.reader.quantised(bert)
        spaces: queue.SimpleQueue[Workspace] = queue.SimpleQueue()
        for _ in range(self.n_at_once):
            spaces.put(Workspace())

        def run(windows: Windows) -> Spans:
            torch.set_num_threads(1)
            space = spaces.get()
            try:
                with torch.inference_mode():
                    batch = make_batch(windows, np.arange(len(windows)))
                    logits = engine.infer(batch, space)
                    return self._best(windows, (logits[:, 0], logits[:, 1]))
            finally:
                spaces.put(space)

        return run

    def _best(self, windows: Windows, logits: tuple[Tensor, Tensor]) -> Spans:
        reader = self.reader
        if not all(torch.isfinite(part).all() for part in logits):
            raise ReaderError(
                f"{type(reader.model).__name__} gives logits that are not finite: its weights"
                " are damaged"
            )
        chosen = np.arange(len(windows))
        first, last, score = best_spans(
            *(pad_context(part, windows, chosen) for part in logits),
            max_answer_tokens=reader.max_answer_tokens,
            n_best=reader.n_best,
        )
        return first.cpu().numpy(), last.cpu().numpy(), score.cpu().numpy()
