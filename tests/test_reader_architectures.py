"""Every architecture that transformers has a question-answering head for: packed, padded, refused.

Packed and padded windows give the logits that transformers gives each window alone; what cannot
is refused. Windows are three times as long as the local attention of ModernBERT, 128 tokens.
"""

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForQuestionAnswering
from transformers.models.auto.modeling_auto import MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES

from augqa.errors import ReaderError
from augqa.reader import packed
from augqa.reader.architectures import ARCHITECTURES, Architecture
from augqa.reader.batch import Batch
from augqa.reader.packed import PackedEncoder

KINDS = sorted(MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES)
LENGTHS = (384, 300)

PACKED = {
    *("albert", "bert", "camembert", "data2vec-text", "distilbert", "electra", "ernie"),
    *("jina_embeddings_v3", "modernbert", "roberta", "roberta-prelayernorm", "roc_bert"),
    *("ultrabert", "xlm-roberta", "xlm-roberta-xl"),
}
# Convolutions, hashes, landmarks and Fourier transforms reach into the padding.
BLURRED = {
    *("canine", "convbert", "fnet", "funnel", "mobilebert", "nystromformer", "reformer", "yoso"),
}
# They want images.
SIGHTED = {"lxmert"}
NOT_INSTALLED = {"layoutlmv2"}  # needs detectron2

# What a configuration calls its sizes, and tiny ones.
SIZES = {
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "dim", "emb_dim", "embedding_size"), 32),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers"), 2),
    **dict.fromkeys(("encoder_layers", "decoder_layers", "num_decoder_layers"), 2),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), 4),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 4),
    **dict.fromkeys(("num_key_value_heads",), 4),
    **dict.fromkeys(("intermediate_size", "hidden_dim", "d_ff", "d_inner", "n_inner"), 48),
    **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim", "moe_intermediate_size"), 48),
    **dict.fromkeys(("head_dim", "d_head", "d_kv", "attention_head_size"), 8),
    **dict.fromkeys(("num_experts", "num_local_experts"), 4),
    **{"vocab_size": 99, "max_position_embeddings": 600, "pad_token_id": 1},
    **{"num_experts_per_tok": 2, "decoder_start_token_id": 0, "entity_vocab_size": 10},
}
OTHERS: dict[str, dict[str, Any]] = {
    "falcon": {"head_dim": None},
    "funnel": {"block_sizes": [1, 1], "num_hidden_layers": None},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": 64},
    "gptj": {"rotary_dim": 8},
    "layoutlmv3": {"has_spatial_attention_bias": False, "coordinate_size": 6, "shape_size": 4},
    "led": {"attention_window": [64, 64], "max_encoder_position_embeddings": 600}
    | {"max_decoder_position_embeddings": 600},
    "lilt": {"channel_shrink_ratio": 4, "hidden_size": 48},
    "longformer": {"attention_window": [64, 64], "sep_token_id": 2},
    "modernbert": {"local_attention": 128},
    "qwen3_next": {"layer_types": ["full_attention"] * 2},
    "reformer": {"axial_pos_embds_dim": (16, 16), "axial_pos_shape": (32, 32)}
    | {"feed_forward_size": 48, "attn_layers": ["local", "lsh"], "num_hashes": 1},
    "t5": {"decoder_start_token_id": 0},
    "xlnet": {"max_position_embeddings": None, "num_hidden_layers": None},
    "xmod": {"default_language": "en_XX", "languages": ["en_XX"]},
}


def tiny(kind: str) -> Any:
    """Return a tiny random model whose weights are large enough for differences to show."""
    default = AutoConfig.for_model(kind)
    sizes = {name: size for name, size in SIZES.items() if hasattr(default, name)}
    sizes |= OTHERS.get(kind, {})
    sizes = {name: size for name, size in sizes.items() if size is not None}
    torch.manual_seed(0)
    model = AutoModelForQuestionAnswering.from_config(AutoConfig.for_model(kind, **sizes)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.15)
    return model


def windows() -> Batch:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(5, 90, (sum(LENGTHS),), generator=generator)
    positions = torch.cat([torch.arange(length) for length in LENGTHS])
    for place in (7, 8, LENGTHS[0] - 1, LENGTHS[0] + 7, LENGTHS[0] + 8, sum(LENGTHS) - 1):
        ids[place] = 2  # separators, which Longformer counts
    return Batch(ids=ids, types=torch.zeros_like(ids), positions=positions, lengths=LENGTHS)


def own_logits(model: Any, batch: Batch) -> torch.Tensor:
    """Return what transformers gives each window alone."""
    outputs = [model(input_ids=batch.ids[None, begin:end]) for begin, end in batch.bounds]
    return torch.cat([torch.stack([o.start_logits[0], o.end_logits[0]], -1) for o in outputs])


@pytest.mark.parametrize("kind", KINDS)
def test_windows_have_the_logits_that_transformers_gives_them_alone(kind: str) -> None:
    if kind in NOT_INSTALLED:
        with pytest.raises(ImportError):
            tiny(kind)
        return
    model = tiny(kind)
    if kind in BLURRED | SIGHTED:
        fault = "beside padding than alone" if kind in BLURRED else "cannot be run on token ids"
        with pytest.raises(ReaderError, match=fault):
            PackedEncoder(model)
        return
    batch = windows()
    with torch.inference_mode():
        expected = own_logits(model, batch)
        encoder = PackedEncoder(model)
        assert encoder.packs == (kind in PACKED)
        found = torch.stack(encoder.logits(batch), -1)
        with encoder.plain_attention():
            encoder.packs = False
            padded = torch.stack(encoder.logits(batch), -1)
    size = float(expected.abs().max())
    assert float((found - expected).abs().max()) < 1e-4 * size
    assert float((padded - expected).abs().max()) < 1e-4 * size


def test_an_attention_that_forgets_its_window_is_found_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    attend = packed._packed_attention

    def forgetful(*arguments: Any, sliding_window: int | None = None, **rest: Any) -> Any:  # noqa: ARG001
        return attend(*arguments, **rest)

    packed.AttentionInterface.register("augqa_packed", forgetful)
    try:
        assert not PackedEncoder(tiny("modernbert")).packs
    finally:
        packed.AttentionInterface.register("augqa_packed", attend)
    assert "windows are padded, since packing them failed its trial" in caplog.text


def test_an_entry_that_is_wrong_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ARCHITECTURES, "deberta-v2", Architecture(packs=True))
    monkeypatch.setitem(ARCHITECTURES, "roberta", Architecture(packs=True))
    assert not PackedEncoder(tiny("deberta-v2")).packs
    assert not PackedEncoder(tiny("roberta")).packs


@pytest.mark.parametrize("kind", ["roberta", "mpnet", "bert"])
def test_the_last_position_can_be_read(kind: str) -> None:
    encoder = PackedEncoder(tiny(kind))
    assert encoder.max_positions == (600 if kind == "bert" else 598)
    n = encoder.max_positions
    batch = Batch(
        ids=torch.full((n,), 7),
        types=torch.zeros(n, dtype=torch.long),
        positions=torch.arange(n),
        lengths=(n,),
    )
    with torch.inference_mode():
        assert torch.isfinite(encoder.logits(batch)[0]).all()


def test_every_architecture_listed_is_one_of_transformers() -> None:
    assert set(ARCHITECTURES) <= set(KINDS)
    assert {kind for kind, known in ARCHITECTURES.items() if known.packs} == PACKED
