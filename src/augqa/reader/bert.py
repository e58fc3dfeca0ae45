"""The layers of BERT and RoBERTa written out, forward and backward, for packed windows on a CPU.

A step through transformers' modules spends more than half of its time beside the matrix
products: on masks drawn number by number, on copies between layouts, on memory fetched from
the system and given back. Here the layouts are chosen so that no product needs a copy, memory
is kept from step to step, and dropout masks are cut from random bytes. The results are those
of the modules, but for rounding and the draw of the masks.

Source: Devlin et al. 2019 (arXiv:1810.04805); dropout stands where transformers has it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from augqa.reader import products
from augqa.reader.activation import own_gelu
from augqa.reader.attention import attend_once
from augqa.reader.batch import Batch
from augqa.reader.bert_weights import Gradients, Layer, Weights
from augqa.reader.buffers import Masks, Workspace, keep, kept_scale

Moments = tuple[Tensor, Tensor]  # mean and reciprocal deviation of each token
Entered = tuple[Tensor, Tensor, Tensor, Tensor]  # in front of the products qkv, mixed, up, down


@dataclass(frozen=True, slots=True)
class _LayerState:
    """What the backward pass of one layer reads again; t is the number of tokens.

    Factors of products are in the type of the layer's matrices.
    """

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


class Bert:
    """A question-answering BERT or RoBERTa of transformers, run without its modules.

    Args:
        model: The model; `weights.refresh` reads its parameters after a change.
        first_position: Number of the first position: RoBERTa counts from behind the padding.
    """

    def __init__(self, model: Any, first_position: int) -> None:
        config = model.config
        self.weights = Weights(model, first_position)
        self.first_position = first_position
        self.n_heads = int(config.num_attention_heads)
        self.width = int(config.hidden_size)
        self.eps = float(config.layer_norm_eps)
        self._hidden_dropout = float(config.hidden_dropout_prob)
        self._attention_dropout = float(config.attention_probs_dropout_prob)

    @property
    def layers(self) -> list[Layer]:
        """The weights of each layer."""
        return self.weights.layers

    @property
    def rest(self) -> list[Tensor]:
        """Weight and bias of the first norm and of the head."""
        return self.weights.rest

    # ---- forward

    @torch.no_grad()
    def infer(self, batch: Batch, work: Workspace, seen: list[Entered] | None = None) -> Tensor:
        """Return start and end logits, shape ``(n_tokens, 2)``, with nothing kept for `backward`.

        Args:
            batch: Windows end to end.
            work: Buffers.
            seen: Takes what enters the four products of each layer. GELU is torch's own then,
                since what is seen may be for products in 8 bits.
        """
        n_tokens = len(batch.ids)
        qkv = work.take("qkv", n_tokens, 3 * self.width)
        attended = work.take("attended", n_tokens, self.width)
        summed = work.take("summed", n_tokens, self.width)
        x, _ = self.norm(self.embed(batch, work), self.rest[0], self.rest[1])
        for layer in self.layers:
            products.linear(x, layer.qkv, layer.qkv_bias, qkv)
            self.attend(qkv, attended, batch, work)
            # A product is added to what its buffer holds: the bias then takes no pass of its own.
            torch.add(x, layer.mixed_bias, out=summed)
            products.add_product(summed, attended, layer.mixed.t())
            middle, _ = self.norm(summed, *layer.norms)
            raised = work.take("raised", n_tokens, len(layer.up))
            products.linear(middle, layer.up, layer.up_bias, raised)
            if seen is None:
                torch.ops.aten.gelu.out(raised, out=raised)
            else:
                raised.copy_(own_gelu(raised))
                seen.append((x, attended.clone(), middle, raised.clone()))
            torch.add(middle, layer.down_bias, out=summed)
            products.add_product(summed, raised, layer.down.t())
            x, _ = self.norm(summed, *layer.last_norms)
        return products.linear(x, self.rest[2], self.rest[3])

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
            keep(x, mask, x)
            x *= hidden.scale

        states = []
        for number, layer in enumerate(self.layers):
            x, state = self._layer(layer, x, batch, work, str(number), hidden, attention)
            states.append(state)
        logits = products.linear(x, head, head_bias)
        return logits, State(batch, embedded, moments, mask, states, x)

    def embed(self, batch: Batch, work: Workspace) -> Tensor:
        """Return the sum of each token's embeddings, before the norm."""
        embedded = work.take("embedded", len(batch.ids), self.width)
        words, positions, types = self.weights.tables
        torch.index_select(words, 0, batch.ids, out=embedded)
        embedded += positions[batch.positions + self.first_position]
        embedded += types[self.weights.type_rows(batch)]
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
        entered = _as_factor(x, layer.qkv, work, f"entered{name}")
        qkv = work.take(f"qkv{name}", n_tokens, 3 * self.width, dtype=layer.qkv.dtype)
        products.linear(entered, layer.qkv, layer.qkv_bias, qkv)
        attended = work.take(f"attended{name}", n_tokens, self.width, dtype=layer.mixed.dtype)
        weights, weight_masks = self._attend_kept(qkv, attended, batch, work, name, attention)

        summed = work.take(f"summed{name}", n_tokens, self.width)
        products.linear(attended, layer.mixed, layer.mixed_bias, summed)
        mixed_mask = self._mask(batch, hidden, work, f"mixed{name}")
        keep(summed, mixed_mask, summed)
        torch.add(x, summed, alpha=scale, out=summed)
        middle, moments = self.norm(summed, layer.norm, layer.norm_bias)

        middle_factor = _as_factor(middle, layer.up, work, f"middle{name}")
        raised = work.take(f"raised{name}", n_tokens, len(layer.up), dtype=layer.up.dtype)
        products.linear(middle_factor, layer.up, layer.up_bias, raised)
        activated = work.take(f"activated{name}", n_tokens, len(layer.up), dtype=layer.up.dtype)
        torch.ops.aten.gelu.out(raised, out=activated)
        last_summed = work.take(f"last_summed{name}", n_tokens, self.width)
        products.linear(activated, layer.down, layer.down_bias, last_summed)
        down_mask = self._mask(batch, hidden, work, f"down{name}")
        keep(last_summed, down_mask, last_summed)
        torch.add(middle, last_summed, alpha=scale, out=last_summed)
        out, last_moments = self.norm(last_summed, layer.last_norm, layer.last_norm_bias)
        return out, _LayerState(
            entered=entered,
            qkv=qkv,
            weights=weights,
            weight_masks=weight_masks,
            attended=attended,
            mixed_mask=mixed_mask,
            summed=summed,
            moments=moments,
            middle=middle_factor,
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
            attend_once(query, key, value, out, work)

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
            products.batched_product(query, key.transpose(1, 2), weight)
            torch.softmax(weight, -1, out=weight)
            if masks is not None and kept is not None:
                masks.draw(window, kept[window])
                masked = work.take("masked", *weight.shape)
                keep(weight, kept[window], masked)
                weight = masked
            products.batched_product(_as_factor(weight, value, work, "weight"), value, out)
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
            gradients: Takes the sums. Those of `layers` are of the scaled weights: see
                `Weights.share`.
            work: Buffers.
        """
        norm, norm_bias, head, head_bias = gradients.rest
        products.add_product(head, logit_gradients.t(), state.last)
        head_bias += logit_gradients.sum(0)
        x = products.product(logit_gradients, self.rest[2])
        for layer, gradient, kept in zip(
            reversed(self.layers), reversed(gradients.layers), reversed(state.layers), strict=True
        ):
            x = self._layer_backward(layer, gradient, kept, x, state.batch, work)
        if state.mask is not None:
            keep(x, state.mask, x)
            x *= kept_scale(self._hidden_dropout)
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
        scale = kept_scale(self._hidden_dropout) if state.down_mask is not None else 1.0
        x = self._norm_backward(
            x, state.last_summed, state.last_moments, layer.last_norms, gradient.last_norms
        )
        down = keep(x, state.down_mask, work.take("down", *x.shape))
        gradient.down_bias.add_(down.sum(0), alpha=scale)
        down = _as_factor(down, layer.down, work, "down_factor")
        products.add_product(gradient.down, down.t(), state.activated, alpha=scale)
        raised = work.take("raised", n_tokens, len(layer.up), dtype=layer.up.dtype)
        products.product(down, layer.down, raised, alpha=scale)
        torch.ops.aten.gelu_backward.grad_input(raised, state.raised, grad_input=raised)
        products.add_product(gradient.up, raised.t(), state.middle)
        gradient.up_bias.add_(raised.sum(0, dtype=torch.float32))
        products.add_product(x, raised, layer.up)

        x = self._norm_backward(x, state.summed, state.moments, layer.norms, gradient.norms)
        mixed = keep(x, state.mixed_mask, work.take("mixed", *x.shape))
        gradient.mixed_bias.add_(mixed.sum(0), alpha=scale)
        mixed = _as_factor(mixed, layer.mixed, work, "mixed_factor")
        products.add_product(gradient.mixed, mixed.t(), state.attended, alpha=scale)
        attended = work.take("attended", n_tokens, self.width, dtype=layer.mixed.dtype)
        products.product(mixed, layer.mixed, attended, alpha=scale)
        qkv = work.take("qkv", n_tokens, 3 * self.width, dtype=layer.qkv.dtype)
        self._attend_backward(state, attended, qkv, batch, work)
        gradient.qkv_bias.add_(qkv.sum(0, dtype=torch.float32))
        products.add_product(gradient.qkv, qkv.t(), state.entered)
        return products.add_product(x, qkv, layer.qkv)

    def _attend_backward(
        self, state: _LayerState, attended: Tensor, qkv: Tensor, batch: Batch, work: Workspace
    ) -> None:
        for window, (begin, end) in enumerate(batch.bounds):
            query, key, value = self._heads(state.qkv[begin:end], 3)
            to_query, to_key, to_value = self._heads(qkv[begin:end], 3)
            (out,) = self._heads(attended[begin:end], 1)
            weight = state.weights[window]
            inner = work.take("inner", *weight.shape)
            products.batched_product(out, value.transpose(1, 2), inner)
            masked = weight
            if state.weight_masks is not None:
                mask = state.weight_masks[window]
                masked = keep(weight, mask, work.take("masked", *weight.shape))
                keep(inner, mask, inner)
            masked = _as_factor(masked, out, work, "weight")
            products.batched_product(masked.transpose(1, 2), out, to_value)
            torch._softmax_backward_data(inner, weight, -1, torch.float32, grad_input=inner)
            inner = _as_factor(inner, key, work, "inner_factor")
            products.batched_product(inner, key, to_query)
            products.batched_product(inner.transpose(1, 2), query, to_key)

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


def _as_factor(x: Tensor, other: Tensor, work: Workspace, name: str) -> Tensor:
    """Return `x` in the type of the factor beside it: itself, or a copy in the buffer `name`."""
    if x.dtype is other.dtype:
        return x
    return work.take(name, *x.shape, dtype=other.dtype).copy_(x)
