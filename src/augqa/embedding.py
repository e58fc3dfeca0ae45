"""Embeddings of texts by an encoder, to tell by their cosine whether two are about the same."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from augqa.checkpoint_source import find_checkpoint
from augqa.checkpoints import load_reader, load_reader_tokenizer
from augqa.errors import CheckpointError
from augqa.executor.batching import map_items
from augqa.executor.face import Executor
from augqa.executor.local import LOCAL
from augqa.executor.models import model_key, movable, tokenizer_key
from augqa.finetuning.determinism import pinned


@dataclass(slots=True, kw_only=True)
class TextEncoder:
    """An encoder whose last layer, averaged over the tokens, is the embedding of a text.

    Attributes:
        model: An encoder of transformers.
        tokenizer: Its fast tokenizer.
        max_tokens: Of longer texts only so many tokens are read, special ones included.
        threads: CPU threads: another number gives other last digits.

    Source: mean pooling, Reimers and Gurevych 2019 (arXiv:1908.10084).
    """

    model: Any
    tokenizer: Any
    max_tokens: int = 256
    threads: int = 2

    def __post_init__(self) -> None:
        self.model.to("cuda" if torch.cuda.is_available() else "cpu")
        self.model.eval()
        positions = getattr(self.model.config, "max_position_embeddings", None)
        most = min(positions or self.max_tokens, self.tokenizer.model_max_length)
        if self.max_tokens > most:
            raise CheckpointError(
                f"max_tokens {self.max_tokens} is above the {most} that"
                f" {type(self.model).__name__} reads"
            )

    @classmethod
    def load(
        cls,
        checkpoint: str | Path,
        *,
        max_tokens: int = 256,
        threads: int = 2,
        param: str = "checkpoint",
    ) -> Self:
        """Load an encoder.

        Args:
            checkpoint: A packaged one's name, a folder or a hub name; safetensors alone.
            max_tokens: See the class.
            threads: See the class.
            param: The param that names the checkpoint, for messages.

        Raises:
            CheckpointError: If the checkpoint is missing, refused or incomplete.
        """
        source = find_checkpoint(checkpoint, param=param)
        # The head that comes with it is drawn and not used.
        model = load_reader(source, head_seed=0).base_model
        tokenizer = load_reader_tokenizer(source)
        return cls(model=model, tokenizer=tokenizer, max_tokens=max_tokens, threads=threads)

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (movable(self.model), self.tokenizer, self.max_tokens, self.threads)

    def encode(
        self, texts: Sequence[str], *, batch_size: int, executor: Executor = LOCAL
    ) -> NDArray[np.float32]:
        """Return one embedding a text, of length 1.

        Texts of like length go together, so that little is padded. Their order does not matter.

        Args:
            texts: The texts.
            batch_size: Texts read at once; another number gives other last digits.
            executor: Who reads them; the embeddings are the same bytes.

        Returns:
            Shape ``(n_texts, hidden_size)``.

        Raises:
            ExecutorError: As `Executor.map`.
        """
        place = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        if not place:
            return np.empty((0, self.model.config.hidden_size), dtype=np.float32)
        embeddings = map_items(
            Embedding(self),
            list(place),
            alike=lambda text: (len(text), text),
            batch_size=batch_size,
            batch_of=list,
            title="embeddings",
            executor=executor,
        )
        return np.stack(embeddings)[[place[text] for text in texts]]

    def embed(self, texts: list[str]) -> Tensor:
        """Return the embeddings of texts that are read at once, in their order."""
        inputs = self.tokenizer(
            texts, truncation=True, max_length=self.max_tokens, padding=True, return_tensors="pt"
        ).to(self.model.device)
        states = self.model(**inputs).last_hidden_state
        inside = inputs["attention_mask"][..., None].to(states.dtype)
        return functional.normalize((states * inside).sum(1) / inside.sum(1), dim=1)


@dataclass(frozen=True, slots=True)
class Embedding:
    """The embeddings of texts that are read at once; a `Work`.

    Attributes:
        encoder: Who reads them.
        n_at_once: They take all threads.
        is_kept: Texts are read in no time.
    """

    encoder: TextEncoder
    n_at_once: int = 1
    is_kept: bool = False

    def key(self) -> str:
        """Return a hash of all that an embedding depends on, but for the texts."""
        encoder = self.encoder
        tokenizer = tokenizer_key(encoder.tokenizer)
        return model_key(encoder.model, "embedding", tokenizer, encoder.max_tokens, encoder.threads)

    @contextmanager
    def session(self) -> Iterator[Callable[[list[str]], NDArray[np.float32]]]:
        """Give the function that reads texts, on pinned threads."""
        with pinned(self.encoder.threads):
            yield self._run

    def _run(self, texts: list[str]) -> NDArray[np.float32]:
        with torch.inference_mode():
            found: NDArray[np.float32] = self.encoder.embed(texts).cpu().numpy()
        return found


def _made(model: Any, tokenizer: Any, max_tokens: int, threads: int) -> TextEncoder:
    return TextEncoder(model=model, tokenizer=tokenizer, max_tokens=max_tokens, threads=threads)
