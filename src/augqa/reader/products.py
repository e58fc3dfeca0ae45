"""The matrix products of the layers written out, into memory that is there.

In float32 they are torch's or NumPy's.

torch multiplies with MKL, whose AVX2 code differs between vendors of processors. `reproducible:
x86_64` therefore holds MKL to COMPATIBLE, which has no AVX2 and takes 2.5 times as long. NumPy's
OpenBLAS can be held to one kernel, Haswell's, on every processor with AVX2, and to one thread a
caller. It cuts its sums by constants of that kernel, not by sizes of caches (init_parameter in its
kernel/setparam-ref.c), and it is as fast as MKL. So under `x86_64` products go through NumPy, on
the memory of torch's tensors; otherwise through torch.

Factors in bfloat16 are multiplied by oneDNN, through torch, with sums in float32 that are then
rounded. Where a processor has no instructions for that, the factors are multiplied in float32 and
the sums rounded: the same but for the order of addition.
"""

import numpy as np
import torch
from torch import Tensor

from augqa import processor

_BY_NUMPY = processor.is_pinned()
# To ask would settle which instructions oneDNN uses (augqa.reader.int8).
_HAS_BFLOAT16 = not _BY_NUMPY and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def linear(x: Tensor, weight: Tensor, bias: Tensor, out: Tensor | None = None) -> Tensor:
    """Return ``x @ weight.t() + bias``.

    Args:
        x: Shape ``(n, n_in)``.
        weight: Shape ``(n_out, n_in)``, of the type of `x`.
        bias: Shape ``(n_out,)``, in float32.
        out: Takes the result, shape ``(n, n_out)``, in float32 or the type of `x`; None: new
            memory does.
    """
    if weight.dtype is torch.bfloat16:
        narrow = out if out is not None and out.dtype is weight.dtype else None
        found = _narrow_product(x, weight.t(), narrow)
        if found is out:
            return found.add_(bias.bfloat16())
        return torch.add(found, bias, out=out)
    if _BY_NUMPY:
        return product(x, weight.t(), out).add_(bias)
    return torch.addmm(bias, x, weight.t(), out=out)


def product(a: Tensor, b: Tensor, out: Tensor | None = None, *, alpha: float = 1.0) -> Tensor:
    """Return ``alpha * a @ b`` of two matrices.

    Args:
        a: Shape ``(n, k)``.
        b: Shape ``(k, m)``, of the type of `a`.
        out: Takes the result, shape ``(n, m)``, in float32 or the type of `a`, and must be neither
            of both; None: new memory does, in float32.
        alpha: A factor.
    """
    if out is None:
        out = torch.empty(len(a), b.shape[1])
    if a.dtype is torch.bfloat16:
        found = _narrow_product(a, b, out if out.dtype is a.dtype else None)
        return (found if found is out else out.copy_(found)).mul_(alpha)
    if _BY_NUMPY:
        _multiply(a, b, out)
        return out if alpha == 1.0 else out.mul_(alpha)
    return torch.addmm(out, a, b, beta=0, alpha=alpha, out=out)


def add_product(out: Tensor, a: Tensor, b: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Add ``alpha * a @ b`` to `out`, in float32, and return it; shapes as of `product`."""
    if a.dtype is torch.bfloat16:
        return out.add_(_narrow_product(a, b, None), alpha=alpha)
    if _BY_NUMPY:
        return out.add_(product(a, b), alpha=alpha)
    return out.addmm_(a, b, alpha=alpha)


def batched_product(a: Tensor, b: Tensor, out: Tensor) -> Tensor:
    """Return ``a[i] @ b[i]`` for each ``i``.

    Args:
        a: Shape ``(batch, n, k)``.
        b: Shape ``(batch, k, m)``, of the type of `a`.
        out: Takes the result, shape ``(batch, n, m)``, in float32 or the type of `a`, and must be
            neither of both.
    """
    if a.dtype is torch.bfloat16:
        found = _narrow_product(a, b, out if out.dtype is a.dtype else None)
        return found if found is out else out.copy_(found)
    if _BY_NUMPY:
        _multiply(a, b, out)
        return out
    return torch.bmm(a, b, out=out)


def _narrow_product(a: Tensor, b: Tensor, out: Tensor | None) -> Tensor:
    if _HAS_BFLOAT16:
        return torch.matmul(a, b, out=out)
    found = torch.matmul(a.float(), b.float())
    return found.bfloat16() if out is None else out.copy_(found)


def _multiply(a: Tensor, b: Tensor, out: Tensor) -> None:
    # As torch does, let infinite ones pass without a word: who multiplies looks for them.
    with np.errstate(all="ignore"):
        np.matmul(a.numpy(), b.numpy(), out=out.numpy())
