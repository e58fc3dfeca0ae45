"""GELU by torch's own code, for work whose bytes must not go by a processor's instructions.

torch hands GELU of contiguous memory to oneDNN, which computes it otherwise with AVX-512 than with
AVX2. `reproducible: x86_64` holds oneDNN to AVX2 for that, but 8-bit products may use whatever
instructions there are (augqa.reader.int8): beside them GELU must be torch's own, which it is for
rows with a gap between them.
"""

import torch
from torch import Tensor

_GAP = 8  # columns


def with_gaps(n_rows: int, n_columns: int) -> Tensor:
    """Return new memory for a matrix whose rows have a gap between them."""
    return torch.empty(n_rows, n_columns + _GAP)[:, :n_columns]


def gelu_of_gapped_(x: Tensor) -> Tensor:
    """Put GELU in the place of a matrix of `with_gaps`, and return it."""
    found: Tensor = torch.ops.aten.gelu_(x)
    return found


def own_gelu(x: Tensor) -> Tensor:
    """Return GELU of a matrix."""
    return gelu_of_gapped_(with_gaps(*x.shape).copy_(x))
