"""The layers of BERT and RoBERTa written out, forward and backward, for packed windows on a CPU.

A step through transformers' modules spends more than half of its time beside the matrix
products: on masks drawn number by number, on copies between layouts, on memory fetched from
the system and given back. Here the layouts are chosen so that no product needs a copy, memory
is kept from step to step, and dropout masks are cut from random bytes. The results are those
of the modules, but for rounding and the draw of the masks.

Source: Devlin et al. 2019 (arXiv:1810.04805); dropout stands where transformers has it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from augqa.reader.architectures import architecture_of
from augqa.reader.packed import Batch

_LEVELS = 1 << 16  # a dropout mask compares 16 random bits with the probability
_LEAST_SUM = 1e-26  # of exp over a row: what float32 loses at its lower end is nothing beside it


class Workspace:
    """Named buffers that are kept: asked for again, they take no new memory of the system."""

    def __init__(self) -> None:
        self._kept: dict[str, Tensor] = {}

    def take(self, name: str, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return a buffer; what the former one of this name held is lost."""
        size = math.prod(shape)
        kept = self._kept.get(name)
        if kept is None or kept.numel() < size:
            kept = self._kept[name] = torch.empty(size + size // 8, dtype=dtype)
        return kept[:size].view(shape)


class Masks:
    """Dropout masks, drawn window by window: they do not depend on how windows are batched.

    Args:
        seeds: One seed a window.
        probability: Share of the values that is dropped.
    """

    def __init__(self, seeds: Sequence[int], probability: float) -> None:
        self._generators = [np.random.Generator(np.random.SFC64(seed)) for seed in seeds]
        self._n_dropped = round(probability * _LEVELS)
        self.scale = _LEVELS / (_LEVELS - self._n_dropped)

    def draw(self, window: int, mask: Tensor) -> None:
        """Fill a contiguous mask: True for what is kept."""
        size = mask.numel()
        words = self._generators[window].integers(0, 1 << 64, -(-size // 4), dtype=np.uint64)
        bits = words.view(np.uint16)[:size]
        np.greater_equal(bits, self._n_dropped, out=mask.view(-1).numpy())


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


Moments = tuple[Tensor, Tensor]  # mean and reciprocal deviation of each token
Entered = tuple[Tensor, Tensor, Tensor, Tensor]  # in front of the products qkv, mixed, up, down


@dataclass(frozen=True, slots=True)
class _LayerState:
    """What the backward pass of one layer reads again; t is the number of tokens."""

    entered: Tensor  # (t, h)
    qkv: Tensor  # (t, 3h)
    weights: list[Tensor]  # attention weights of each window, (n_heads, length, length)
    weight_masks: list[Tensor] | None
    attended: Tensor  # (t, h)
    mixed_mask: Tensor | None  # (t, h)
    summed: Tensor  # (t, h), before the norm
    moments: Moments
    middle: Tensor  # (t, h), behind it
    raised: Tensor  # (t, intermediate), before the activation
    activated: Tensor
    down_mask: Tensor | None
    last_summed: Tensor
    last_moments: Moments


@dataclass(frozen=True, slots=True)
class State:
    """What `Bert.backward` needs of a forward pass."""

    batch: Batch
    embedded: Tensor
    moments: Moments
    mask: Tensor | None
    layers: list[_LayerState]
    last: Tensor


class Gradients:
    """The gradients of some batches, added up."""

    def __init__(self, bert: "Bert") -> None:
        self.layers = [
            Layer(*(torch.zeros_like(getattr(layer, f.name)) for f in fields(Layer)))
            for layer in bert.layers
        ]
        self.rest = [torch.zeros_like(tensor) for tensor in bert.rest]
        # Of the embeddings of each batch's tokens: the tables are far larger than these rows.
        self.embedded: list[tuple[Batch, Tensor]] = []

    @property
    def tensors(self) -> list[Tensor]:
        return [*(getattr(g, f.name) for g in self.layers for f in fields(Layer)), *self.rest]

    def clear(self) -> None:
        torch._foreach_zero_(self.tensors)
        self.embedded.clear()


class Bert:
    """A question-answering BERT or RoBERTa of transformers, run without its modules.

    Args:
        model: The model; `refresh` reads its parameters.
        first_position: Number of the first position: RoBERTa counts from behind the padding.
    """

    def __init__(self, model: Any, first_position: int) -> None:
        config = model.config
        self._model = model
        self.first_position = first_position
        self.n_heads = int(config.num_attention_heads)
        self.width = int(config.hidden_size)
        self.eps = float(config.layer_norm_eps)
        self._hidden_dropout = float(config.hidden_dropout_prob)
        self._attention_dropout = float(config.attention_probs_dropout_prob)
        self.refresh(training=False)

    @staticmethod
    def fits(model: Any) -> bool:
        """Tell whether the model's layers are those written out here."""
        config = model.config
        return (
            architecture_of(config.model_type).written_out
            and config.hidden_act == "gelu"
            and not config.is_decoder
            and config.num_labels == 2
            and all(p.dtype == torch.float32 and p.device.type == "cpu" for p in model.parameters())
        )

    def refresh(self, *, training: bool) -> None:
        """Read the parameters; to be called after each change of them.

        The factor on the dot products is put in the query's weights, that of attention dropout
        in the value's: neither takes a pass of its own then.
        """
        keeping = 1 - round(self._attention_dropout * _LEVELS) / _LEVELS if training else 1.0
        self._factors = ((self.width // self.n_heads) ** -0.5, 1.0, 1 / keeping)
        embeddings = self._model.base_model.embeddings
        self._words = embeddings.word_embeddings.weight.detach()
        self._positions = embeddings.position_embeddings.weight.detach()
        self._types = embeddings.token_type_embeddings.weight.detach()
        modules = (embeddings.LayerNorm, self._model.qa_outputs)
        self.rest = [p.detach() for module in modules for p in (module.weight, module.bias)]
        with torch.no_grad():
            self.layers = [self._read(layer) for layer in self._model.base_model.encoder.layer]

    def _read(self, layer: Any) -> Layer:
        own, out = layer.attention.self, layer.attention.output
        parts = list(zip((own.query, own.key, own.value), self._factors, strict=True))
        others = (
            *(out.dense, out.LayerNorm, layer.intermediate.dense),
            *(layer.output.dense, layer.output.LayerNorm),
        )
        return Layer(
            torch.cat([module.weight * factor for module, factor in parts]),
            torch.cat([module.bias * factor for module, factor in parts]),
            *(p.detach() for module in others for p in (module.weight, module.bias)),
        )

    @property
    def tables(self) -> tuple[Tensor, Tensor, Tensor]:
        """The embeddings of words, positions and types."""
        return self._words, self._positions, self._types

    # ---- forward

    @torch.no_grad()
    def infer(self, batch: Batch, work: Workspace, seen: list[Entered] | None = None) -> Tensor:
        """Return start and end logits, shape ``(n_tokens, 2)``, with nothing kept for `backward`.

        Args:
            batch: Windows end to end.
            work: Buffers.
            seen: Takes what enters the four products of each layer.
        """
        n_tokens = len(batch.ids)
        qkv = work.take("qkv", n_tokens, 3 * self.width)
        attended = work.take("attended", n_tokens, self.width)
        summed = work.take("summed", n_tokens, self.width)
        x, _ = self.norm(self.embed(batch, work), self.rest[0], self.rest[1])
        for layer in self.layers:
            torch.addmm(layer.qkv_bias, x, layer.qkv.t(), out=qkv)
            self.attend(qkv, attended, batch, work)
            # A product is added to what its buffer holds: the bias then takes no pass of its own.
            torch.add(x, layer.mixed_bias, out=summed).addmm_(attended, layer.mixed.t())
            middle, _ = self.norm(summed, *layer.norms)
            raised = work.take("raised", n_tokens, len(layer.up))
            torch.addmm(layer.up_bias, middle, layer.up.t(), out=raised)
            torch.ops.aten.gelu.out(raised, out=raised)
            if seen is not None:
                seen.append((x, attended.clone(), middle, raised.clone()))
            torch.add(middle, layer.down_bias, out=summed).addmm_(raised, layer.down.t())
            x, _ = self.norm(summed, *layer.last_norms)
        return torch.addmm(self.rest[3], x, self.rest[2].t())

    @torch.no_grad()
    def forward(self, batch: Batch, work: Workspace, seeds: Sequence[int]) -> tuple[Tensor, State]:
        """Run a batch with dropout.

        Args:
            batch: Windows end to end.
            work: Buffers; what is returned lives in them until the next call.
            seeds: A seed for each window's dropout masks.

        Returns:
            Start and end logits, shape ``(n_tokens, 2)``, and the state for `backward`.
        """
        hidden = attention = None
        if self._hidden_dropout > 0:
            hidden = Masks(seeds, self._hidden_dropout)
        if self._attention_dropout > 0:
            # Seeds are even: one more gives a stream of its own.
            attention = Masks([seed + 1 for seed in seeds], self._attention_dropout)
        norm, norm_bias, head, head_bias = self.rest

        embedded = self.embed(batch, work)
        x, moments = self.norm(embedded, norm, norm_bias)
        mask = self._mask(batch, hidden, work, "embedded")
        if mask is not None and hidden is not None:
            _keep(x, mask, x)
            x *= hidden.scale

        states = []
        for number, layer in enumerate(self.layers):
            x, state = self._layer(layer, x, batch, work, str(number), hidden, attention)
            states.append(state)
        logits = torch.addmm(head_bias, x, head.t())
        return logits, State(batch, embedded, moments, mask, states, x)

    def embed(self, batch: Batch, work: Workspace) -> Tensor:
        """Return the sum of each token's embeddings, before the norm."""
        embedded = work.take("embedded", len(batch.ids), self.width)
        torch.index_select(self._words, 0, batch.ids, out=embedded)
        embedded += self._positions[batch.positions + self.first_position]
        embedded += self._types[batch.types if len(self._types) > 1 else batch.types * 0]
        return embedded

    def _layer(
        self,
        layer: Layer,
        x: Tensor,
        batch: Batch,
        work: Workspace,
        name: str,
        hidden: Masks | None,
        attention: Masks | None,
    ) -> tuple[Tensor, _LayerState]:
        n_tokens = len(x)
        scale = hidden.scale if hidden is not None else 1.0
        qkv = work.take(f"qkv{name}", n_tokens, 3 * self.width)
        torch.addmm(layer.qkv_bias, x, layer.qkv.t(), out=qkv)
        attended = work.take(f"attended{name}", n_tokens, self.width)
        weights, weight_masks = self._attend_kept(qkv, attended, batch, work, name, attention)

        summed = work.take(f"summed{name}", n_tokens, self.width)
        torch.addmm(layer.mixed_bias, attended, layer.mixed.t(), out=summed)
        mixed_mask = self._mask(batch, hidden, work, f"mixed{name}")
        _keep(summed, mixed_mask, summed)
        torch.add(x, summed, alpha=scale, out=summed)
        middle, moments = self.norm(summed, layer.norm, layer.norm_bias)

        raised = work.take(f"raised{name}", n_tokens, len(layer.up))
        torch.addmm(layer.up_bias, middle, layer.up.t(), out=raised)
        activated = work.take(f"activated{name}", n_tokens, len(layer.up))
        torch.ops.aten.gelu.out(raised, out=activated)
        last_summed = work.take(f"last_summed{name}", n_tokens, self.width)
        torch.addmm(layer.down_bias, activated, layer.down.t(), out=last_summed)
        down_mask = self._mask(batch, hidden, work, f"down{name}")
        _keep(last_summed, down_mask, last_summed)
        torch.add(middle, last_summed, alpha=scale, out=last_summed)
        out, last_moments = self.norm(last_summed, layer.last_norm, layer.last_norm_bias)
        return out, _LayerState(
            entered=x,
            qkv=qkv,
            weights=weights,
            weight_masks=weight_masks,
            attended=attended,
            mixed_mask=mixed_mask,
            summed=summed,
            moments=moments,
            middle=middle,
            raised=raised,
            activated=activated,
            down_mask=down_mask,
            last_summed=last_summed,
            last_moments=last_moments,
        )

    def attend(self, qkv: Tensor, attended: Tensor, batch: Batch, work: Workspace) -> None:
        """Let each window attend to itself.

        Args:
            qkv: Queries, keys and values, shape ``(n_tokens, 3 * h)``.
            attended: Takes the result, shape ``(n_tokens, h)``.
            batch: The windows.
            work: Buffers. All windows use the same, which stay in the cache.
        """
        for query, key, value, out in self._windows(qkv, attended, batch):
            _attend_once(query, key, value, out, work)

    def _attend_kept(
        self,
        qkv: Tensor,
        attended: Tensor,
        batch: Batch,
        work: Workspace,
        name: str,
        masks: Masks | None,
    ) -> tuple[list[Tensor], list[Tensor] | None]:
        """Attend as `attend`, with dropout; return each window's weights and masks.

        Args:
            qkv: As in `attend`.
            attended: As in `attend`.
            batch: The windows.
            work: Buffers.
            name: Of the buffers for what is returned.
            masks: Dropout of attention weights, or None.
        """
        size = self.n_heads * sum(length * length for length in batch.lengths)
        weights = self._squares(work.take(f"weights{name}", size), batch)
        kept = None
        if masks is not None:
            kept = self._squares(work.take(f"kept{name}", size, dtype=torch.bool), batch)
        for window, (query, key, value, out) in enumerate(self._windows(qkv, attended, batch)):
            weight = weights[window]
            torch.bmm(query, key.transpose(1, 2), out=weight)
            torch.softmax(weight, -1, out=weight)
            if masks is not None and kept is not None:
                masks.draw(window, kept[window])
                masked = work.take("masked", *weight.shape)
                _keep(weight, kept[window], masked)
                weight = masked
            torch.bmm(weight, value, out=out)
        return weights, kept

    # ---- backward

    @torch.no_grad()
    def backward(
        self, state: State, logit_gradients: Tensor, gradients: Gradients, work: Workspace
    ) -> None:
        """Add the gradients of a batch to `gradients`.

        Args:
            state: Of the forward pass, whose buffers are in `work`.
            logit_gradients: Shape ``(n_tokens, 2)``.
            gradients: Takes the sums. Those of `layers` are of the scaled weights: see `share`.
            work: Buffers.
        """
        norm, norm_bias, head, head_bias = gradients.rest
        head.addmm_(logit_gradients.t(), state.last)
        head_bias += logit_gradients.sum(0)
        x = logit_gradients @ self.rest[2]
        for layer, gradient, kept in zip(
            reversed(self.layers), reversed(gradients.layers), reversed(state.layers), strict=True
        ):
            x = self._layer_backward(layer, gradient, kept, x, state.batch, work)
        if state.mask is not None:
            _keep(x, state.mask, x)
            x *= _scale(self._hidden_dropout)
        weights = (self.rest[0], self.rest[1])
        x = self._norm_backward(x, state.embedded, state.moments, weights, (norm, norm_bias))
        gradients.embedded.append((state.batch, x))

    def _layer_backward(
        self,
        layer: Layer,
        gradient: Layer,
        state: _LayerState,
        x: Tensor,
        batch: Batch,
        work: Workspace,
    ) -> Tensor:
        n_tokens = len(x)
        scale = _scale(self._hidden_dropout) if state.down_mask is not None else 1.0
        x = self._norm_backward(
            x, state.last_summed, state.last_moments, layer.last_norms, gradient.last_norms
        )
        down = _keep(x, state.down_mask, work.take("down", *x.shape))
        gradient.down.addmm_(down.t(), state.activated, alpha=scale)
        gradient.down_bias.add_(down.sum(0), alpha=scale)
        raised = work.take("raised", n_tokens, len(layer.up))
        torch.addmm(raised, down, layer.down, beta=0, alpha=scale, out=raised)
        torch.ops.aten.gelu_backward.grad_input(raised, state.raised, grad_input=raised)
        gradient.up.addmm_(raised.t(), state.middle)
        gradient.up_bias.add_(raised.sum(0))
        x.addmm_(raised, layer.up)

        x = self._norm_backward(x, state.summed, state.moments, layer.norms, gradient.norms)
        mixed = _keep(x, state.mixed_mask, work.take("mixed", *x.shape))
        gradient.mixed.addmm_(mixed.t(), state.attended, alpha=scale)
        gradient.mixed_bias.add_(mixed.sum(0), alpha=scale)
        attended = work.take("attended", n_tokens, self.width)
        torch.addmm(attended, mixed, layer.mixed, beta=0, alpha=scale, out=attended)
        qkv = work.take("qkv", n_tokens, 3 * self.width)
        self._attend_backward(state, attended, qkv, batch, work)
        gradient.qkv.addmm_(qkv.t(), state.entered)
        gradient.qkv_bias.add_(qkv.sum(0))
        return x.addmm_(qkv, layer.qkv)

    def _attend_backward(
        self, state: _LayerState, attended: Tensor, qkv: Tensor, batch: Batch, work: Workspace
    ) -> None:
        for window, (begin, end) in enumerate(batch.bounds):
            query, key, value = self._heads(state.qkv[begin:end], 3)
            to_query, to_key, to_value = self._heads(qkv[begin:end], 3)
            (out,) = self._heads(attended[begin:end], 1)
            weight = state.weights[window]
            inner = work.take("inner", *weight.shape)
            torch.bmm(out, value.transpose(1, 2), out=inner)
            masked = weight
            if state.weight_masks is not None:
                mask = state.weight_masks[window]
                masked = _keep(weight, mask, work.take("masked", *weight.shape))
                _keep(inner, mask, inner)
            torch.bmm(masked.transpose(1, 2), out, out=to_value)
            torch._softmax_backward_data(inner, weight, -1, torch.float32, grad_input=inner)
            torch.bmm(inner, key, out=to_query)
            torch.bmm(inner.transpose(1, 2), query, out=to_key)

    @torch.no_grad()
    def share(self, gradients: Sequence[Gradients]) -> None:
        """Put the sum of several workers' gradients, in their order, into the parameters."""
        first, *others = gradients
        for other in others:
            torch._foreach_add_(first.tensors, other.tensors)
        for layer, gradient in zip(self._model.base_model.encoder.layer, first.layers, strict=True):
            own, out = layer.attention.self, layer.attention.output
            for part, factor, weight, bias in zip(
                (own.query, own.key, own.value),
                self._factors,
                gradient.qkv.chunk(3),
                gradient.qkv_bias.chunk(3),
                strict=True,
            ):
                part.weight.grad = weight.mul_(factor)
                part.bias.grad = bias.mul_(factor)
            modules = (
                *(out.dense, out.LayerNorm, layer.intermediate.dense),
                *(layer.output.dense, layer.output.LayerNorm),
            )
            rest = [getattr(gradient, field.name) for field in fields(Layer)][2:]
            for module, weight, bias in zip(modules, rest[::2], rest[1::2], strict=True):
                module.weight.grad, module.bias.grad = weight, bias
        embeddings = self._model.base_model.embeddings
        ends = (embeddings.LayerNorm, self._model.qa_outputs)
        for module, weight, bias in zip(ends, first.rest[::2], first.rest[1::2], strict=True):
            module.weight.grad, module.bias.grad = weight, bias
        tables = (
            embeddings.word_embeddings.weight,
            embeddings.position_embeddings.weight,
            embeddings.token_type_embeddings.weight,
        )
        for table in tables:
            if table.grad is None:
                table.grad = torch.zeros_like(table)
            else:
                table.grad.zero_()
        for worker in gradients:
            for batch, rows in worker.embedded:
                types = batch.types if len(self._types) > 1 else batch.types * 0
                tables[0].grad.index_add_(0, batch.ids, rows)
                tables[1].grad.index_add_(0, batch.positions + self.first_position, rows)
                tables[2].grad.index_add_(0, types, rows)

    # ---- parts of both

    def norm(self, x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Moments]:
        """Return the layer norm of each token, and its moments."""
        out, mean, deviation = torch.native_layer_norm(x, [self.width], weight, bias, self.eps)
        return out, (mean, deviation)

    def _norm_backward(
        self,
        x: Tensor,
        entered: Tensor,
        moments: Moments,
        weights: tuple[Tensor, Tensor],
        gradients: tuple[Tensor, Tensor],
    ) -> Tensor:
        """Return the gradient before a norm; add those of its weight and bias to `gradients`."""
        out, *to_weights = torch.ops.aten.native_layer_norm_backward(
            x, entered, [self.width], *moments, *weights, [True, True, True]
        )
        for total, to_weight in zip(gradients, to_weights, strict=True):
            total += to_weight
        return out  # type: ignore[no-any-return]

    def _mask(self, batch: Batch, masks: Masks | None, work: Workspace, name: str) -> Tensor | None:
        if masks is None:
            return None
        mask = work.take(f"mask_{name}", len(batch.ids), self.width, dtype=torch.bool)
        for window, (begin, end) in enumerate(batch.bounds):
            masks.draw(window, mask[begin:end])
        return mask

    def _heads(self, x: Tensor, parts: int) -> list[Tensor]:
        """Split ``(length, parts * h)`` into `parts` views ``(n_heads, length, head width)``."""
        split = x.view(len(x), parts, self.n_heads, -1)
        return [split[:, part].transpose(0, 1) for part in range(parts)]

    def _windows(
        self, qkv: Tensor, attended: Tensor, batch: Batch
    ) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Yield each window's query, key, value and place of the result, split by heads."""
        parts = (*self._heads(qkv, 3), *self._heads(attended, 1))
        cut = (torch.split(part, list(batch.lengths), 1) for part in parts)
        yield from zip(*cut, strict=True)

    def _squares(self, flat: Tensor, batch: Batch) -> list[Tensor]:
        """Split a buffer into one ``(n_heads, length, length)`` for each window."""
        sizes = [self.n_heads * length * length for length in batch.lengths]
        return [
            part.view(self.n_heads, length, length)
            for part, length in zip(torch.split(flat, sizes), batch.lengths, strict=True)
        ]


def _attend_once(query: Tensor, key: Tensor, value: Tensor, out: Tensor, work: Workspace) -> None:
    """Let a window attend to itself, with nothing kept for a backward pass.

    Dividing the means instead of all weights, and not looking for each row's highest logit, spares
    two passes over the weights that softmax makes. Whether all stayed in float32's range, where
    exp loses no digits, the sums and the means tell afterwards.
    """
    n_heads, length, width = value.shape
    weight = work.take("weights", n_heads, length, length)
    torch.bmm(query, key.transpose(1, 2), out=weight)
    torch.exp(weight, out=weight)
    total = torch.sum(weight, -1, keepdim=True, out=work.take("total", n_heads, length, 1))
    mean = torch.bmm(weight, value, out=work.take("mean", n_heads, length, width))
    low, high = torch.aminmax(total)
    # Anything infinite or NaN makes a sum so.
    if float(low) > _LEAST_SUM and math.isfinite(float(high)) and math.isfinite(float(mean.sum())):
        torch.div(mean, total, out=out)
    else:
        torch.bmm(query, key.transpose(1, 2), out=weight)
        torch.softmax(weight, -1, out=weight)
        torch.bmm(weight, value, out=out)


def _keep(x: Tensor, mask: Tensor | None, out: Tensor) -> Tensor:
    """Put ``x * mask`` into `out` and return it; without a mask, return `x`.

    numpy multiplies floats with bools in one pass, torch in two.
    """
    if mask is None:
        return x
    np.multiply(x.numpy(), mask.numpy(), out=out.numpy())
    return out


def _scale(probability: float) -> float:
    return _LEVELS / (_LEVELS - round(probability * _LEVELS))
