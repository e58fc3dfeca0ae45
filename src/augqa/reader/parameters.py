"""BERT and RoBERTa as parameters alone, read from a folder without transformers' modules.

These take longer to import than a small model takes to answer a few hundred questions, and the
layers written out need none of them: only the parameters, under transformers' names and in its
order. What is not as expected here is left to transformers, which loads it or says what is wrong.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor, float32, nn, zeros

from augqa.finetuning.head import draw_head
from augqa.reader.architectures import architecture_of

# By transformers' model type: what it calls the encoder.
_ENCODERS = {"bert": "bert", "camembert": "roberta", "roberta": "roberta", "xlm-roberta": "roberta"}
_HEAD = "qa_outputs"
_SIZES = (
    *("hidden_size", "intermediate_size", "max_position_embeddings", "num_attention_heads"),
    *("num_hidden_layers", "pad_token_id", "type_vocab_size", "vocab_size"),
)
_SHARES = ("attention_probs_dropout_prob", "hidden_dropout_prob", "layer_norm_eps")
# With one of these the layers are others, or the weights need work before they can be used.
_NOT_WITH = ("auto_map", "quantization_config", "add_cross_attention", "is_decoder")


# What a config.json raises that is no object, is nested deeply, or has no head of attention.
_UNUSABLE = (OSError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError)


class ReadConfig(SimpleNamespace):
    """What config.json says of the model.

    Attributes:
        folder: Where it was read.
    """

    folder: Path

    def to_json_string(self, *, use_diff: bool = False) -> str:  # noqa: ARG002 - transformers' face
        """Return what it says, whatever the folder is."""
        said = {name: value for name, value in vars(self).items() if name != "folder"}
        return json.dumps(said, sort_keys=True)

    def to_diff_dict(self) -> dict[str, Any]:
        """Return what transformers writes as config.json."""
        from transformers import AutoConfig  # noqa: PLC0415 - only who saves needs it

        config = AutoConfig.from_pretrained(self.folder, trust_remote_code=False)
        return dict(config.to_diff_dict())


class QuestionAnswerer(nn.Module):
    """The parameters of a question-answering model, named and ordered as transformers does.

    Has no forward pass: `augqa.reader.bert` has. Subclasses bear the names of transformers'.

    Args:
        config: Of the model.
        weights: Of the encoder and the head, by name, without the encoder's own prefix.
    """

    def __init__(self, config: ReadConfig, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.config = config
        self.base_model_prefix = _ENCODERS[config.model_type]
        layers = [_layer(f"encoder.layer.{i}", weights) for i in range(config.num_hidden_layers)]
        encoder = _module(
            embeddings=_embeddings(config.model_type, weights),
            encoder=_module(layer=nn.ModuleList(layers)),
        )
        self.add_module(self.base_model_prefix, encoder)
        self.add_module(_HEAD, _affine(_HEAD, weights))

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as weights by name: the class has no place of its own in this module."""
        prefix = f"{self.base_model_prefix}."
        weights = {name.removeprefix(prefix): value for name, value in self.state_dict().items()}
        return _made, (self.config, weights)

    @property
    def base_model(self) -> Any:
        """The encoder."""
        return getattr(self, self.base_model_prefix)

    @property
    def first_position(self) -> int:
        """Number of the first position: RoBERTa counts from behind the padding."""
        known = architecture_of(self.config.model_type)
        return int(self.config.pad_token_id) + 1 if known.counts_from_padding else 0

    @property
    def max_positions(self) -> int:
        """Most tokens of a window."""
        return int(self.config.max_position_embeddings) - self.first_position


class BertForQuestionAnswering(QuestionAnswerer):
    """As `QuestionAnswerer`."""


class CamembertForQuestionAnswering(QuestionAnswerer):
    """As `QuestionAnswerer`."""


class RobertaForQuestionAnswering(QuestionAnswerer):
    """As `QuestionAnswerer`."""


class XLMRobertaForQuestionAnswering(QuestionAnswerer):
    """As `QuestionAnswerer`."""


_CLASSES: dict[str, type[QuestionAnswerer]] = {
    "bert": BertForQuestionAnswering,
    "camembert": CamembertForQuestionAnswering,
    "roberta": RobertaForQuestionAnswering,
    "xlm-roberta": XLMRobertaForQuestionAnswering,
}


def _made(config: ReadConfig, weights: dict[str, Tensor]) -> QuestionAnswerer:
    return _CLASSES[config.model_type](config, weights)


def read_parameters(folder: Path, *, head_seed: int | None) -> QuestionAnswerer | None:
    """Read a question-answering model in float32.

    Args:
        folder: Of the checkpoint.
        head_seed: Draws the weights of a head that the checkpoint lacks; None: it must have one.

    Returns:
        The model; None where anything is not as the layers written out have it, or is not there.
    """
    try:
        config = _config(folder)
        if config is None:
            return None
        weights = _weights(folder, config)
    # A model folder may be anybody's: transformers says what is wrong with it.
    except (*_UNUSABLE, SafetensorError):
        return None
    if weights is None:
        return None
    missing = sorted(name for name in _head_shapes(config) if name not in weights)
    if missing and (head_seed is None or len(missing) == 1):
        return None
    weights |= {name: zeros(_head_shapes(config)[name]) for name in missing}
    model = _made(config, weights)
    if missing:
        draw_head(model, missing, head_seed or 0)
    return model


def _config(folder: Path) -> ReadConfig | None:
    found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    labels = found.get("id2label")
    fits = (
        found.get("model_type") in _CLASSES
        and architecture_of(found["model_type"]).written_out
        and found.get("hidden_act") == "gelu"
        and found.get("position_embedding_type", "absolute") == "absolute"
        and (labels is None or len(labels) == 2)
        and found.get("num_labels", 2) == 2
        and found.get("dtype", found.get("torch_dtype", "float32")) in ("float32", None)
        and not any(found.get(name) for name in _NOT_WITH)
        and all(type(found.get(name)) is int for name in _SIZES)
        and all(isinstance(found.get(name), float | int) for name in _SHARES)
        and found["hidden_size"] % found["num_attention_heads"] == 0
    )
    return ReadConfig(**{**found, "folder": folder}) if fits else None


def _weights(folder: Path, config: ReadConfig) -> dict[str, Tensor] | None:
    """Return the weights that the model has, with or without the head; None if one is missing."""
    file = folder / "model.safetensors"
    if not file.is_file() or (folder / "adapter_config.json").exists():
        return None
    found: dict[str, Tensor] = {}
    with safe_open(file, framework="pt") as stored:
        names = set(stored.keys())
        # An encoder's own checkpoint names no encoder.
        whole = f"{_ENCODERS[config.model_type]}."
        prefix = whole if f"{whole}embeddings.word_embeddings.weight" in names else ""
        for name, shape in (_shapes(config) | _head_shapes(config)).items():
            at = name if name.startswith(_HEAD) else prefix + name
            if at not in names:
                if name.startswith(_HEAD):
                    continue
                return None
            tensor = stored.get_tensor(at)
            if tensor.dtype != float32 or tuple(tensor.shape) != shape:
                return None
            found[name] = tensor
    return found


def _head_shapes(config: ReadConfig) -> dict[str, tuple[int, ...]]:
    return {f"{_HEAD}.weight": (2, config.hidden_size), f"{_HEAD}.bias": (2,)}


def _shapes(config: ReadConfig) -> dict[str, tuple[int, ...]]:
    width, wide = config.hidden_size, config.intermediate_size
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (config.vocab_size, width),
        "embeddings.position_embeddings.weight": (config.max_position_embeddings, width),
        "embeddings.token_type_embeddings.weight": (config.type_vocab_size, width),
    }
    rows: dict[str, tuple[int, ...]] = {"embeddings.LayerNorm": (width,)}
    for number in range(config.num_hidden_layers):
        at = f"encoder.layer.{number}"
        rows |= {f"{at}.attention.self.{name}": (width, width) for name in _ATTENTION}
        rows[f"{at}.attention.output.dense"] = (width, width)
        rows[f"{at}.attention.output.LayerNorm"] = (width,)
        rows[f"{at}.intermediate.dense"] = (wide, width)
        rows[f"{at}.output.dense"] = (width, wide)
        rows[f"{at}.output.LayerNorm"] = (width,)
    for name, shape in rows.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes


_ATTENTION = ("query", "key", "value")


def _module(**parts: nn.Module) -> nn.Module:
    module = nn.Module()
    for name, part in parts.items():
        module.add_module(name, part)
    return module


def _table(name: str, weights: Mapping[str, Tensor]) -> nn.Module:
    module = nn.Module()
    module.weight = nn.Parameter(weights[f"{name}.weight"])
    return module


def _affine(name: str, weights: Mapping[str, Tensor]) -> nn.Module:
    module = _table(name, weights)
    module.bias = nn.Parameter(weights[f"{name}.bias"])
    return module


def _embeddings(model_type: str, weights: Mapping[str, Tensor]) -> nn.Module:
    tables = ["word_embeddings", "position_embeddings", "token_type_embeddings"]
    parts = {name: _table(f"embeddings.{name}", weights) for name in tables}
    norm = _affine("embeddings.LayerNorm", weights)
    if _ENCODERS[model_type] == "bert":
        return _module(**parts, LayerNorm=norm)
    # RoBERTa makes its positions last; sums over all parameters round by their order.
    positions = parts.pop("position_embeddings")
    return _module(**parts, LayerNorm=norm, position_embeddings=positions)


def _layer(name: str, weights: Mapping[str, Tensor]) -> nn.Module:
    def affine(part: str) -> nn.Module:
        return _affine(f"{name}.{part}", weights)

    own = {part: affine(f"attention.self.{part}") for part in _ATTENTION}
    mixed = _module(
        dense=affine("attention.output.dense"), LayerNorm=affine("attention.output.LayerNorm")
    )
    return _module(
        attention=_module(self=_module(**own), output=mixed),
        intermediate=_module(dense=affine("intermediate.dense")),
        output=_module(dense=affine("output.dense"), LayerNorm=affine("output.LayerNorm")),
    )
