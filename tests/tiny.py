"""Tiny models with random weights and tokenizers of whole words."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForQuestionAnswering,
    BertModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
WORDS = """mary shelley wrote frankenstein in who what when where the a novel by was born london
    1818 1797 . , ? city of river thames is on england capital poet byron lord and"""


def tiny_tokenizer(words: str = WORDS) -> PreTrainedTokenizerFast:
    """Return a fast tokenizer of whole words, which wants to pad and truncate by itself."""
    backend = Tokenizer(
        models.WordLevel(
            {w: i for i, w in enumerate([*SPECIAL, *words.split()])}, unk_token="[UNK]"
        )
    )
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    backend.enable_truncation(8)
    backend.enable_padding(length=8)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=64,
    )


def tiny_config(**changes: Any) -> BertConfig:
    settings: dict[str, Any] = {
        "vocab_size": 64,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 64,
    }
    return BertConfig(**{**settings, **changes})


def save_encoder(folder: Path, words: str = WORDS, **changes: Any) -> Path:
    """Save a tiny random BERT without a question-answering head, and its tokenizer."""
    torch.manual_seed(0)
    BertModel(tiny_config(**changes)).save_pretrained(folder)
    tiny_tokenizer(words).save_pretrained(folder)
    return folder


def tiny_t5(tokenizer: PreTrainedTokenizerFast, *, num_layers: int = 1) -> Any:
    """Return a tiny random T5 for a tokenizer whose padding is 0 and whose end is 1."""
    torch.manual_seed(1)
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=16,
        d_kv=8,
        d_ff=16,
        num_layers=num_layers,
        num_heads=2,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
    )
    return T5ForConditionalGeneration(config)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tiny random BERT without a question-answering head."""
    return save_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tiny random BERT with a question-answering head."""
    folder = tmp_path_factory.mktemp("checkpoint")
    torch.manual_seed(1)
    BertForQuestionAnswering(tiny_config()).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder
