"""What makes torch give the same bytes again on the CPU."""

import contextlib
import hashlib
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
    torch.use_deterministic_algorithms(True)
    # Filling new memory costs a tenth of a step, and nothing here reads what it has not written.
    former_fill = _fill_new_memory(False)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        _fill_new_memory(former_fill)
        torch.use_deterministic_algorithms(former_mode)
        torch.set_num_threads(former_threads)


def _fill_new_memory(fill: bool) -> bool:
    """Set whether deterministic mode fills new memory; return how it was."""
    former = bool(getattr(deterministic, _FILL))
    setattr(deterministic, _FILL, fill)
    return former


def sub_seed(seed: int, *parts: object) -> int:
    """Return a seed of its own for one part of a run, such as one step."""
    text = ":".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
