"""Windows through an encoder without padding: packed end to end, each attending to itself alone.

All layers but attention treat tokens one by one, so a batch of windows can run as one long
row. Attention is the one part that must know where a window ends; transformers lets us put
our own in, by name.
"""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AttentionInterface, AutoConfig, AutoModelForQuestionAnswering

from augqa.errors import ReaderError, first_line
from augqa.reader.architectures import architecture_of
from augqa.reader.batch import Batch
from augqa.reader.parameters import QuestionAnswerer

log = logging.getLogger("augqa")

_ATTENTION = "augqa_packed"
_SHORT_TRIAL = 48  # tokens of the longer window of a trial, where all attention is global
_TRIAL_IDS = 1000  # of tokens that a trial is made of, at most
_LONGEST_LOCAL = 1024  # of local attention; what decoders call a window is wider than ours
_TOLERANCE = 1e-3  # of two logits, as a share of the largest


class PackedEncoder:
    """A question-answering model of transformers, fed with packed batches.

    Args:
        model: The model; its attention is changed to ours where it lets us, and then it can
            be called through this object alone.

    Raises:
        ReaderError: If windows cannot go through the model in batches.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.device = next(model.parameters()).device
        self._forward = model
        known = architecture_of(model.config.model_type)
        padding = model.config.pad_token_id or 0
        self.first_position = padding + 1 if known.counts_from_padding else 0
        if model.config._attn_implementation == _ATTENTION:
            # Another reader has the same model.
            model.set_attn_implementation("sdpa")
        self._own_attention = model.config._attn_implementation
        # On a GPU windows are padded: there a call costs more than the padding of like lengths.
        self.packs = self._try(packing=known.packs and self.device.type == "cpu")

    @contextlib.contextmanager
    def plain_attention(self) -> Iterator[Any]:
        """Give the model back as transformers made it, for the time of a with-block."""
        self.model.set_attn_implementation(self._own_attention)
        try:
            yield self.model
        finally:
            if self.packs:
                self.model.set_attn_implementation(_ATTENTION)

    def compile(self) -> None:
        """Compile the modules; batches of any size then run without compiling again."""
        self._forward = torch.compile(self.model, dynamic=True)
        # Imported by now: takes over for the compiler what `augqa.finetuning.determinism` has set.
        torch.use_deterministic_algorithms(torch.are_deterministic_algorithms_enabled())

    def logits(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return start and end logits of every token, each of shape ``(n_tokens,)``."""
        return self._packed(batch) if self.packs else self._padded(batch)

    def _packed(self, batch: Batch) -> tuple[Tensor, Tensor]:
        inputs = {
            "input_ids": batch.ids[None],
            "position_ids": batch.positions[None] + self.first_position,
        }
        if self._has_types:
            inputs["token_type_ids"] = batch.types[None]
        output = self._forward(**inputs, window_lengths=batch.lengths)
        return output.start_logits[0], output.end_logits[0]

    def _padded(self, batch: Batch) -> tuple[Tensor, Tensor]:
        lengths = torch.tensor(batch.lengths)
        mask = torch.arange(int(lengths.max())) < lengths[:, None]
        ids = torch.full(mask.shape, self.model.config.pad_token_id or 0)
        ids[mask] = batch.ids
        inputs = {"input_ids": ids, "attention_mask": mask.long()}
        if self._has_types:
            types = torch.zeros_like(ids)
            types[mask] = batch.types
            inputs["token_type_ids"] = types
        output = self._forward(**{name: value.to(self.device) for name, value in inputs.items()})
        inside = mask.to(self.device)
        return output.start_logits[inside], output.end_logits[inside]

    @property
    def max_positions(self) -> int:
        """Most tokens a window may have; a model with relative positions has no bound."""
        known = getattr(self.model.config, "max_position_embeddings", None)
        # XLNet says -1 for none.
        return known - self.first_position if known and known > 0 else 1 << 30

    @property
    def _has_types(self) -> bool:
        return int(getattr(self.model.config, "type_vocab_size", 0) or 0) > 1

    def _try(self, *, packing: bool) -> bool:
        """Hold two windows, padded and packed, against each of them alone.

        The windows reach three times as far as any local attention, since two that fit into it
        would show nothing.

        Returns:
            Whether windows may be packed.

        Raises:
            ReaderError: If the model gives a window other logits beside padding than alone, or
                cannot be run on token ids.
        """
        batch = _trial(self.model.config, self.max_positions)
        training = self.model.training
        self.model.eval()
        try:
            with torch.inference_mode():
                expected = [self._alone(batch, *bounds) for bounds in batch.bounds]
                alone = tuple(torch.cat(parts) for parts in zip(*expected, strict=True))
                if not _are_near(alone, self._padded(batch)):
                    raise ReaderError(
                        f"{type(self.model).__name__} gives a window other logits beside padding"
                        " than alone, so windows cannot be batched. Choose another architecture,"
                        " such as BERT, RoBERTa, DeBERTa or ModernBERT."
                    )
        # What transformers raises differs from model to model.
        except (TypeError, ValueError, RuntimeError, IndexError, AssertionError) as error:
            raise ReaderError(
                f"{type(self.model).__name__} cannot be run on token ids alone:"
                f" {first_line(error)}. Choose another architecture."
            ) from error
        finally:
            self.model.train(training)
        return packing and self._try_packing(batch, alone)

    def _try_packing(self, batch: Batch, alone: tuple[Tensor, ...]) -> bool:
        training = self.model.training
        self.model.eval()
        fault = "the logits differ"
        try:
            with torch.inference_mode():
                self.model.set_attn_implementation(_ATTENTION)
                if _are_near(alone, self._packed(batch)):
                    return True
        except (TypeError, ValueError, RuntimeError, IndexError) as error:
            fault = first_line(error)
        finally:
            self.model.train(training)
        log.warning(
            "%s: windows are padded, since packing them failed its trial: %s",
            type(self.model).__name__,
            fault,
        )
        self.model.set_attn_implementation(self._own_attention)
        return False

    def _alone(self, batch: Batch, begin: int, end: int) -> tuple[Tensor, Tensor]:
        """Return a window's logits as transformers gives them for it alone, without a mask."""
        inputs = {"input_ids": batch.ids[None, begin:end].to(self.device)}
        if self._has_types:
            inputs["token_type_ids"] = batch.types[None, begin:end].to(self.device)
        output = self._forward(**inputs)
        return output.start_logits[0], output.end_logits[0]


def with_modules(model: QuestionAnswerer) -> Any:
    """Return the model of transformers that has these parameters: the same, not copies."""
    config = AutoConfig.from_pretrained(model.config.folder, trust_remote_code=False)
    made = AutoModelForQuestionAnswering.from_config(config)
    made.load_state_dict(dict(model.named_parameters()), assign=True)
    made.train(model.training)
    return made


def _trial(config: Any, max_positions: int) -> Batch:
    """Return two windows of unequal length, longer than what any layer looks at."""
    locals_ = [
        reach
        for name, value in config.to_dict().items()
        if "window" in name or "local" in name
        for reach in (value if isinstance(value, list) else [value])
        if isinstance(reach, int) and reach <= _LONGEST_LOCAL
    ]
    longest = min(max([_SHORT_TRIAL, *(3 * reach for reach in locals_)]), max_positions)
    lengths = (longest, longest - longest // 4)
    positions = torch.cat([torch.arange(length) for length in lengths])
    specials = {getattr(config, f"{name}_token_id", None) for name in ("pad", "sep", "cls", "mask")}
    # CANINE reads characters and names no size.
    n_ids = min(getattr(config, "vocab_size", None) or _TRIAL_IDS, _TRIAL_IDS)
    plain = [i for i in range(n_ids) if i not in specials]
    ids = torch.tensor(plain)[torch.arange(sum(lengths)) * 7 % len(plain)]
    separator = getattr(config, "sep_token_id", None)
    if separator is not None and separator < n_ids:
        # Longformer wants exactly three: two between question and context, one at the end.
        for place in (positions == 8, positions == 9):
            ids[place] = separator
        ids[torch.tensor(lengths).cumsum(0) - 1] = separator
    return Batch(ids=ids, types=torch.zeros_like(ids), positions=positions, lengths=lengths)


def _are_near(expected: tuple[Tensor, ...], found: tuple[Tensor, ...]) -> bool:
    """Tell whether logits differ by no more than rounding, for their size."""
    return all(
        torch.allclose(a, b, rtol=0, atol=_TOLERANCE * float(a.abs().max()))
        for a, b in zip(expected, found, strict=True)
    )


def _packed_attention(
    _module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    _mask: Tensor | None,
    *,
    window_lengths: tuple[int, ...],
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attend within each window; the signature is transformers' interface.

    Args:
        query: Shape ``(1, n_heads, n_tokens, head_width)``; so are `key` and `value`.
        key: As `query`.
        value: As `query`.
        window_lengths: Tokens of each window.
        dropout: Probability of dropping an attention weight.
        scaling: Factor on the dot products.
        sliding_window: In a layer with local attention, the distance from which on tokens do not
            see each other, on both sides.

    Returns:
        Shape ``(1, n_tokens, n_heads, head_width)``, and no weights.
    """
    parts = []
    at = 0
    for length, repeats in _runs(window_lengths):
        mask = None
        if sliding_window is not None and sliding_window < length:
            position = torch.arange(length)
            mask = (position[:, None] - position).abs() < sliding_window
        stretch = slice(at, at + length * repeats)
        shape = (-1, repeats, length, query.shape[-1])
        q, k, v = (x[0, :, stretch].reshape(shape).transpose(0, 1) for x in (query, key, value))
        out = functional.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, dropout_p=dropout, scale=scaling
        )
        parts.append(out.transpose(1, 2).flatten(0, 1))
        at += length * repeats
    return torch.cat(parts)[None], None


def _runs(lengths: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return neighbours of equal length as (length, how many): they run as one call."""
    runs: list[tuple[int, int]] = []
    for length in lengths:
        if runs and runs[-1][0] == length:
            runs[-1] = (length, runs[-1][1] + 1)
        else:
            runs.append((length, 1))
    return runs


AttentionInterface.register(_ATTENTION, _packed_attention)
