"""The weights of BERT and RoBERTa as the layers written out take them, and their gradients.

Here alone it is said which module of transformers holds what.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from augqa.reader.architectures import architecture_of
from augqa.reader.batch import Batch
from augqa.reader.buffers import dropped_share


@dataclass(frozen=True, slots=True)
class Layer:
    """The weights of one layer, or their gradients; h is the hidden width."""

    qkv: Tensor  # (3h, h): query, key and value, one below the other
    qkv_bias: Tensor
    mixed: Tensor  # (h, h): behind attention
    mixed_bias: Tensor
    norm: Tensor
    norm_bias: Tensor
    up: Tensor  # (intermediate, h)
    up_bias: Tensor
    down: Tensor  # (h, intermediate)
    down_bias: Tensor
    last_norm: Tensor
    last_norm_bias: Tensor

    @property
    def norms(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the norm behind attention."""
        return self.norm, self.norm_bias

    @property
    def last_norms(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the layer's last norm."""
        return self.last_norm, self.last_norm_bias


class Weights:
    """The parameters of a question-answering BERT or RoBERTa, read in the layout of the products.

    Args:
        model: The model.
        first_position: Number of the first position: RoBERTa counts from behind the padding.

    Attributes:
        layers: Of each layer.
        rest: Weight and bias of the first norm and of the head.
        tables: The embeddings of words, positions and types.
    """

    def __init__(self, model: Any, first_position: int) -> None:
        config = model.config
        self._model = model
        self._first_position = first_position
        self._head_width = int(config.hidden_size) // int(config.num_attention_heads)
        self._attention_dropout = float(config.attention_probs_dropout_prob)
        self.refresh(training=False)

    @staticmethod
    def fit(model: Any) -> bool:
        """Tell whether the model's layers are those written out here."""
        config = model.config
        return (
            architecture_of(config.model_type).written_out
            and config.hidden_act == "gelu"
            and not config.is_decoder
            and config.num_labels == 2
            and all(p.dtype == torch.float32 and p.device.type == "cpu" for p in model.parameters())
        )

    def refresh(self, *, training: bool, matrices: torch.dtype = torch.float32) -> None:
        """Read the parameters; to be called after each change of them.

        The factor on the dot products is put in the query's weights, that of attention dropout
        in the value's: neither takes a pass of its own then.

        Args:
            training: Whether dropout is made up for.
            matrices: Type of the layers' matrices; all else stays in float32.
        """
        self._matrices = matrices
        keeping = 1 - dropped_share(self._attention_dropout) if training else 1.0
        self._factors = (self._head_width**-0.5, 1.0, 1 / keeping)
        words, positions, types = (table.detach() for table in _tables(self._model))
        self.tables = words, positions, types
        self.rest = [p.detach() for module in _ends(self._model) for p in _both(module)]
        with torch.no_grad():
            self.layers = [self._read(layer) for layer in self._model.base_model.encoder.layer]

    def _read(self, layer: Any) -> Layer:
        parts = list(zip(_attention(layer), self._factors, strict=True))
        return Layer(
            torch.cat([module.weight * factor for module, factor in parts]).to(self._matrices),
            torch.cat([module.bias * factor for module, factor in parts]),
            *(
                p.detach().to(self._matrices if p.dim() > 1 else p.dtype)
                for module in _others(layer)
                for p in _both(module)
            ),
        )

    def type_rows(self, batch: Batch) -> Tensor:
        """Return the row of each token's type: RoBERTa has one for all."""
        return batch.types if len(self.tables[2]) > 1 else batch.types * 0

    @torch.no_grad()
    def share(self, gradients: Sequence["Gradients"]) -> None:
        """Put the sum of several workers' gradients, in their order, into the parameters."""
        first, *others = gradients
        for other in others:
            torch._foreach_add_(first.tensors, other.tensors)
        for layer, gradient in zip(self._model.base_model.encoder.layer, first.layers, strict=True):
            for part, factor, weight, bias in zip(
                _attention(layer),
                self._factors,
                gradient.qkv.chunk(3),
                gradient.qkv_bias.chunk(3),
                strict=True,
            ):
                part.weight.grad = weight.mul_(factor)
                part.bias.grad = bias.mul_(factor)
            rest = [getattr(gradient, field.name) for field in fields(Layer)][2:]
            for module, weight, bias in zip(_others(layer), rest[::2], rest[1::2], strict=True):
                module.weight.grad, module.bias.grad = weight, bias
        ends = zip(_ends(self._model), first.rest[::2], first.rest[1::2], strict=True)
        for module, weight, bias in ends:
            module.weight.grad, module.bias.grad = weight, bias
        tables = _tables(self._model)
        for table in tables:
            if table.grad is None:
                table.grad = torch.zeros_like(table)
            else:
                table.grad.zero_()
        for worker in gradients:
            for batch, rows in worker.embedded:
                tables[0].grad.index_add_(0, batch.ids, rows)
                tables[1].grad.index_add_(0, batch.positions + self._first_position, rows)
                tables[2].grad.index_add_(0, self.type_rows(batch), rows)


class Gradients:
    """The gradients of some batches, added up."""

    def __init__(self, weights: Weights) -> None:
        self.layers = [
            Layer(*(torch.zeros(getattr(layer, f.name).shape) for f in fields(Layer)))
            for layer in weights.layers
        ]
        self.rest = [torch.zeros_like(tensor) for tensor in weights.rest]
        # Of the embeddings of each batch's tokens: the tables are far larger than these rows.
        self.embedded: list[tuple[Batch, Tensor]] = []

    @property
    def tensors(self) -> list[Tensor]:
        return [*(getattr(g, f.name) for g in self.layers for f in fields(Layer)), *self.rest]

    def clear(self) -> None:
        torch._foreach_zero_(self.tensors)
        self.embedded.clear()


def _attention(layer: Any) -> tuple[Any, Any, Any]:
    own = layer.attention.self
    return own.query, own.key, own.value


def _others(layer: Any) -> tuple[Any, ...]:
    """Return the modules behind attention, in the order of the fields of `Layer`."""
    out = layer.attention.output
    return (
        *(out.dense, out.LayerNorm, layer.intermediate.dense),
        *(layer.output.dense, layer.output.LayerNorm),
    )


def _ends(model: Any) -> tuple[Any, Any]:
    """Return the first norm and the head."""
    return model.base_model.embeddings.LayerNorm, model.qa_outputs


def _tables(model: Any) -> tuple[Any, Any, Any]:
    embeddings = model.base_model.embeddings
    modules = ("word_embeddings", "position_embeddings", "token_type_embeddings")
    words, positions, types = (getattr(embeddings, name).weight for name in modules)
    return words, positions, types


def _both(module: Any) -> tuple[Any, Any]:
    return module.weight, module.bias
