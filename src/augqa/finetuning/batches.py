"""How the parts of a step are put together for the processor."""

import numpy as np
import numpy.typing as npt

Offsets = npt.NDArray[np.int64]


def passes(lengths: Offsets, most_tokens: int, *, most_rows: int | None = None) -> list[Offsets]:
    """Cut rows into passes, the longest first: like lengths stand side by side.

    Args:
        lengths: Tokens of each row.
        most_tokens: Of one pass, padding included; a longer row is a pass of its own.
        most_rows: Of one pass; None: no such bound.
    """
    order = np.argsort(-lengths, kind="stable")
    cut: list[Offsets] = []
    begin = 0
    while begin < len(order):
        n = max(1, min(most_rows or len(order), most_tokens // int(lengths[order[begin]])))
        cut.append(order[begin : begin + n])
        begin += n
    return cut
