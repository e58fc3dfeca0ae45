"""How the parts of a step are put together for the processor."""

import numpy as np
import numpy.typing as npt

Offsets = npt.NDArray[np.int64]


def passes(lengths: Offsets, most_tokens: int) -> list[Offsets]:
    """Cut rows into passes of at most `most_tokens` once padded, the longest first."""
    order = np.argsort(-lengths, kind="stable")
    cut: list[Offsets] = []
    begin = 0
    while begin < len(order):
        n = max(1, most_tokens // int(lengths[order[begin]]))
        cut.append(order[begin : begin + n])
        begin += n
    return cut
