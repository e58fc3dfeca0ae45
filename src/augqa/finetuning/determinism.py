"""What makes torch give the same bytes again on the CPU."""

import contextlib
import hashlib
import sys
from collections.abc import Iterator

import torch
from torch.utils import deterministic

_FILL = "fill_uninitialized_memory"  # by name: the module is of a kind type checkers do not know


@contextlib.contextmanager
def pinned(threads: int) -> Iterator[None]:
    """Run a with-block on `threads` threads, with deterministic algorithms alone.

    Threads share out sums, so another number of them rounds otherwise. The former settings and
    the state of the global random generator come back at the end.
    """
    former_threads = torch.get_num_threads()
    former_mode = torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    _only_deterministic(True)
    # Filling new memory costs a tenth of a step, and nothing here reads what it has not written.
    former_fill = _fill_new_memory(False)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        _fill_new_memory(former_fill)
        _only_deterministic(former_mode)
        torch.set_num_threads(former_threads)


def _only_deterministic(only: bool) -> None:
    """Set whether torch refuses algorithms that round in another order at each run.

    Its own switch also sets one of its compiler, which it imports for that: longer than all else
    that a small stage does. `augqa.reader.packed` sets that one where it compiles.
    """
    if "torch._inductor.config" in sys.modules:
        torch.use_deterministic_algorithms(only)
    else:
        torch._C._set_deterministic_algorithms(only, warn_only=False)


def _fill_new_memory(fill: bool) -> bool:
    """Set whether deterministic mode fills new memory; return how it was."""
    former = bool(getattr(deterministic, _FILL))
    setattr(deterministic, _FILL, fill)
    return former


def sub_seed(seed: int, *parts: object) -> int:
    """Return a seed of its own for one part of a run, such as one step."""
    text = ":".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
