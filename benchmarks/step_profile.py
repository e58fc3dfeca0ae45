"""Where a training step of the reader spends its time, and how near to the peak it could come.

Two questions. What does each kind of operation cost in a step, as the profiler of torch counts it
in the threads' own time? And what would remain of the machine's matrix-product peak if everything
but the products cost nothing: the products of a step are run alone, with their own shapes, as many
at once as there are threads. The last line is one JSON object.

    python benchmarks/step_profile.py --data data/external
"""

import argparse
import json
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from command import run_command
from reader import (
    DOC_STRIDE,
    MAX_ANSWER_TOKENS,
    MAX_SEQ_LENGTH,
    N_BEST,
    OPTIMISER,
    WARMUP_FRACTION,
    matrix_peak,
    step_operations,
)
from torch._C._profiler import _ExperimentalConfig
from torch.profiler import ProfilerActivity, profile, record_function

from augqa.formats import read_examples
from augqa.reader import Reader, bert, train_reader

# Operation of torch or of numpy -> kind in the table.
KINDS = {
    "products of the layers": ("aten::addmm", "aten::addmm_", "aten::mm"),
    "products of attention": ("aten::bmm",),
    "softmax": ("aten::_softmax", "aten::_softmax_backward_data"),
    "gelu": ("aten::gelu", "aten::gelu_backward"),
    "norms": ("aten::native_layer_norm", "aten::native_layer_norm_backward"),
    "dropout: draw": ("draw",),
    "dropout: multiply": ("keep",),
    "sums and additions": ("aten::sum", "aten::add", "aten::add_", "aten::mul_"),
    "optimiser and clipping": (
        "aten::_fused_adamw_",
        "aten::linalg_vector_norm",
        "aten::_foreach_norm",
        "aten::_foreach_mul_",
        "aten::_foreach_add_",
        "aten::_foreach_zero_",
    ),
    "copies and fills": ("aten::copy_", "aten::fill_", "aten::zero_"),
}


def marked(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose time the profiler sees under `name`."""

    def run(*args: Any, **kwargs: Any) -> Any:
        with record_function(name):
            return function(*args, **kwargs)

    return run


@contextmanager
def numpy_seen() -> Iterator[None]:
    """Show the profiler what numpy does: the dropout masks."""
    with (
        patch.object(bert.Masks, "draw", marked("draw", bert.Masks.draw)),
        patch.object(bert, "keep", marked("keep", bert.keep)),
    ):
        yield


def kind_of(name: str) -> str:
    """Return the kind of an operation."""
    for kind, names in KINDS.items():
        if name in names:
            return kind
    return "other operations"


def products(config: Any, lengths: Sequence[int]) -> list[tuple[Callable[[], Any], int]]:
    """Return the products of a pass, forward and backward: what runs each, and how often."""
    h, inner, heads = config.hidden_size, config.intermediate_size, config.num_attention_heads
    layers, t = config.num_hidden_layers, sum(lengths)
    found: list[tuple[Callable[[], Any], int]] = []
    for n_in, n_out in ((h, 3 * h), (h, h), (h, inner), (inner, h)):
        x, y, weight = torch.randn(t, n_in), torch.randn(t, n_out), torch.randn(n_out, n_in)
        to_x, to_weight, out = torch.empty(t, n_in), torch.zeros(n_out, n_in), torch.empty(t, n_out)
        bias = torch.randn(n_out)
        found += [
            (lambda x=x, w=weight, b=bias, o=out: torch.addmm(b, x, w.t(), out=o), layers),
            (lambda y=y, x=x, g=to_weight: g.addmm_(y.t(), x), layers),
            (lambda y=y, w=weight, o=to_x: torch.mm(y, w, out=o), layers),
        ]
    for length in lengths:
        # Heads as the layers have them: views of (length, 3h).
        qkv = torch.randn(length, 3, heads, h // heads)
        query, key, value = (qkv[:, part].transpose(0, 1) for part in range(3))
        to = torch.empty(length, heads, h // heads).transpose(0, 1)
        square = torch.empty(heads, length, length)
        weight = torch.rand(heads, length, length)
        found += [
            (lambda q=query, k=key, s=square: torch.bmm(q, k.transpose(1, 2), out=s), 2 * layers),
            (lambda w=weight, v=value, o=to: torch.bmm(w, v, out=o), 2 * layers),
            (lambda w=weight, v=value, o=to: torch.bmm(w.transpose(1, 2), v, out=o), 2 * layers),
        ]
    return found


def products_alone(config: Any, lengths: Sequence[int], threads: int, n: int) -> float:
    """Return the operations a second of a pass's products, nothing between them."""

    made = [products(config, lengths) for _ in range(threads)]

    def work(number: int) -> None:
        torch.set_num_threads(1)
        for run, times in made[number]:
            for _ in range(times * n):
                run()

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
        begin = time.perf_counter()
        list(pool.map(work, range(threads)))
        passed = time.perf_counter() - begin
    torch.set_num_threads(threads)
    return threads * n * step_operations(config, lengths) / passed


def main() -> None:
    """Profile a training, run its products alone, and print both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data/external"))
    parser.add_argument("--train-file", default="train.json")
    parser.add_argument("--checkpoint", default="all-MiniLM-L6-v2")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--n-examples", type=int, default=128)
    parser.add_argument("--lengths", type=int, nargs="+", default=[118, 140, 160, 180, 190, 216])
    options = parser.parse_args()

    train = list(read_examples(options.data / options.train_file).examples)
    random.Random(13).shuffle(train)
    settings: dict[str, Any] = {
        **OPTIMISER,
        "checkpoint": options.checkpoint,
        "max_seq_length": MAX_SEQ_LENGTH,
        "doc_stride": DOC_STRIDE,
        "max_answer_tokens": MAX_ANSWER_TOKENS,
        "n_best": N_BEST,
        "threads": options.threads,
        "batch_size": options.batch_size,
        "precision": options.precision,
        "warmup_fraction": WARMUP_FRACTION,
    }

    ends: list[float] = []
    with numpy_seen():

        def run() -> Reader:
            return train_reader(
                train[: options.n_examples],
                seed=1,
                epochs=2,
                on_epoch=lambda *_: ends.append(time.perf_counter()),
                **settings,
            )[0]

        reader = run()
        plain_s = ends[1] - ends[0]
        # The windows are computed in threads of their own.
        everywhere = _ExperimentalConfig(profile_all_threads=True)
        with profile(activities=[ProfilerActivity.CPU], experimental_config=everywhere) as seen:
            run()
    spent: dict[str, float] = defaultdict(float)
    for event in seen.key_averages():
        spent[kind_of(event.key)] += event.self_cpu_time_total / 1e6
    total = sum(spent.values())

    peak = matrix_peak(options.threads)
    config = reader.model.config
    alone = products_alone(config, options.lengths, options.threads, n=20)
    print(f"{'kind of operation':28} share of the threads' time in operations")
    for kind, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"{kind:28} {seconds / total:6.1%}")
    print(f"products alone: {alone / peak:.0%} of the peak of {peak / 1e9:.0f} GFLOP/s")
    print(
        json.dumps(
            {
                "peak_gflops": peak / 1e9,
                "products_alone_fraction": alone / peak,
                "examples_per_s": options.n_examples / plain_s,
                "share": {kind: seconds / total for kind, seconds in spent.items()},
            }
        )
    )


if __name__ == "__main__":
    run_command(main)
