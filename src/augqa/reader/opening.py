"""Open a checkpoint as model and tokenizer: without transformers where its files allow it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from augqa.checkpoint_source import Source
from augqa.reader.parameters import QuestionAnswerer, read_parameters

# Beside the weights of a reader that was saved here.
SETTINGS = "reader.json"
# Of these transformers makes from tokenizer.json what stands in it, once it has written it itself.
_AS_WRITTEN = ("BertTokenizer", "RobertaTokenizer", "TokenizersBackend")


@dataclass(kw_only=True)
class SavedTokenizer:
    """The tokenizer of a saved reader.

    Attributes:
        source: The reader.
        backend_tokenizer: Neither pads nor truncates on its own.
    """

    source: Source
    backend_tokenizer: Any

    def save_pretrained(self, folder: Path) -> None:
        """Write it as transformers does."""
        from augqa.checkpoints import load_reader_tokenizer  # noqa: PLC0415 - imports transformers

        load_reader_tokenizer(self.source).save_pretrained(folder)


def open_reader(source: Source, *, head_seed: int | None) -> tuple[Any, Any]:
    """Return a question-answering model in float32, and its tokenizer.

    Args:
        source: Where its files are.
        head_seed: Draws the weights of a head that the checkpoint lacks. None: it must have one.

    Raises:
        CheckpointError: If the checkpoint is refused or incomplete.
    """
    folder = None if source.gguf_file else source.folder
    model: QuestionAnswerer | None = None
    # The layers written out are for a CPU.
    if folder is not None and not torch.cuda.is_available():
        model = read_parameters(folder, head_seed=head_seed)
        tokenizer = None if model is None else _saved_tokenizer(source, folder)
        if tokenizer is not None:
            return model, tokenizer
    from augqa.checkpoints import load_reader, load_reader_tokenizer  # noqa: PLC0415 - see above

    if model is None:
        return load_reader(source, head_seed=head_seed), load_reader_tokenizer(source)
    return model, load_reader_tokenizer(source)


def _saved_tokenizer(source: Source, folder: Path) -> SavedTokenizer | None:
    if not (folder / SETTINGS).is_file():
        return None
    try:
        kind = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        if kind.get("tokenizer_class") not in _AS_WRITTEN:
            return None
        backend = Tokenizer.from_file(str(folder / "tokenizer.json"))
    # tokenizers has no error of its own.
    except Exception:  # noqa: BLE001 - transformers says what is wrong
        return None
    backend.no_truncation()
    backend.no_padding()
    return SavedTokenizer(source=source, backend_tokenizer=backend)
