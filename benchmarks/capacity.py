"""What the pipeline costs at 87,599 seed questions and at 10^7, from rates that were measured.

    python benchmarks/capacity.py            # the tables; one JSON line last
    python benchmarks/capacity.py --write    # into docs/scale.md

Nothing is run. Each rate names the page that tells how it was measured; what is an estimate or
assumed is marked as such, and no time on a GPU is more than an estimate.
"""

import argparse
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "scale.md"
SIZES = (87_599, 10_000_000)
_BLOCK = re.compile(r"(<!-- benchmarks/capacity.py: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A number that the plan is computed from.

    Attributes:
        value: The number.
        unit: What of.
        kind: ``measured``, ``estimate`` (from others, not measured), ``price`` or ``chosen``.
        page: File of the repository that says how it was found.
        quote: What stands there.
    """

    value: float
    unit: str
    kind: str
    page: str
    quote: str


def _measured(value: float, unit: str, page: str, quote: str) -> Rate:
    return _of_kind("measured", value, unit, page, quote)


def _of_kind(kind: str, value: float, unit: str, page: str, quote: str) -> Rate:
    return Rate(value=value, unit=unit, kind=kind, page=page, quote=quote)


_CONTEXTS = "docs/results/cpu/metrics/generate_contexts.json"
_METHODS = "docs/question_generation.md"
_OWN = "docs/scale.md"
RATES = {
    "context_prompt": _measured(
        157_060 / 500, "prompt tokens a context", _CONTEXTS, '"prompt_tokens": 157060'
    ),
    "context_tokens": _of_kind(
        "chosen", 400, "tokens a context at most", "profiles/paper.yaml", "max_tokens: 400"
    ),
    "usable": _measured(79 / 80, "usable contexts a seed", _METHODS, "(79 usable, 64 s)"),
    "pairs_asked": _of_kind(
        "chosen", 2, "pairs asked a context", "profiles/paper.yaml", "pairs_per_context: 2"
    ),
    "pair_prompt": _measured(
        32_585 / 62, "prompt tokens a pair", _OWN, "62 pairs took 32,585 prompt"
    ),
    "pair_tokens": _measured(936 / 62, "tokens a pair", _OWN, "936 completion tokens"),
    "kept": _measured(125 / 426, "of the pairs kept", _METHODS, "| 426 | 125 | 29 % |"),
    "usd_in": _of_kind(
        "price", 1.0, "USD a million prompt tokens", "profiles/paper.yaml", "prompt: 1.0"
    ),
    "usd_out": _of_kind(
        "price", 5.0, "USD a million completion tokens", "profiles/paper.yaml", "completion: 5.0"
    ),
    "client": _measured(0.64e-3, "CPU s a request", "docs/generation.md", "0.64 ms of CPU"),
    "requests": _measured(
        237.8, "requests a second at 128 in flight", "docs/generation.md", "| 128 | 237.8 |"
    ),
    "store": _measured(33.9e-6, "CPU s a response stored", "docs/generation.md", "33.9 s of CPU"),
    "response_bytes": _measured(
        1_103, "bytes a response in the cache", "docs/generation.md", "1.103 times its content"
    ),
    "embedded": _measured(
        1.4,
        "CPU s a context, embedded writer",
        "docs/contexts.md",
        "| `question` | 46 | 4 % | 22 % | 1.4 |",
    ),
    "trained": _measured(
        0.87, "CPU s a question, trained generator", _METHODS, "| 47.0 % | 35.3 % | 0.87 |"
    ),
    "answering": _measured(
        2 / 36.2, "CPU s a question, MiniLM", "docs/reader.md", "| 12.3 | 36.2 |"
    ),
    "training": _measured(
        2 / 11.6, "CPU s an example and epoch, MiniLM", "docs/reader.md", "| 2.38 | 11.6 |"
    ),
    "gpu_training": _of_kind(
        "estimate",
        70 / 87_599,
        "GPU s an example and epoch, RoBERTa-base",
        "docs/reader.md",
        "70 s an epoch",
    ),
    "gpu_answering": _of_kind(
        "estimate",
        70 / 87_599 / 3,
        "GPU s a question, RoBERTa-base: forward is a third of a step",
        "docs/reader.md",
        "2 operations a weight forward and 4 backward",
    ),
    # CPU seconds at 1,000,000 pairs without those of starting: benchmarks/scale.py --million.
    "gate_pairs": _measured(23.77 / 1_000_000, "CPU s a pair", _OWN, "4.20, 3.88, 6.93, 27.97"),
    "filter": _measured(328.68 / 1_000_000, "CPU s a pair", _OWN, "4.06, 9.37, 37.01, 332.74"),
    "gate_kept": _measured(
        237.26 / 692_418, "CPU s a kept pair", _OWN, "3.93, 8.55, 33.49, 241.19"
    ),
    "blend": _measured(54.78 / 692_418, "CPU s a kept pair", _OWN, "4.31, 4.85, 9.32, 59.09"),
    # From 100,000 to 1,000,000 pairs, of the stage whose memory grows fastest.
    "memory": _measured((1380 - 304) * 2**20 / 900_000, "bytes a pair, blend", _OWN, "304, 1,380"),
    "pair_bytes": _measured(569_711 / 5_000, "bytes a pair in Parquet", _OWN, "569,711 bytes"),
    "model_bytes": _of_kind(
        "estimate",
        4 * 124.6e6,
        "bytes a RoBERTa-base: 124.6 M weights of 4",
        _OWN,
        "124.6 M weights",
    ),
}
# The plan's own choices: profile paper's recipes that say most, its seeds and epochs.
N_SEEDS, N_EPOCHS, N_MIX, N_TEST = 3, 2, 80_000, 48_261
# Addresses of one model, as in llm.base_url.
POOLS = (1, 4, 8)
# One machine, to see what gives way first.
CORES, MEMORY_BYTES, HOURS = 2, 16 * 2**30, 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one stage costs.

    Attributes:
        stage: Its name in dvc.yaml.
        requests: Requests to an endpoint.
        prompt, completion: Tokens, the latter at most.
        gpu: GPU seconds, estimated; None where no GPU is used.
        cpu: CPU seconds beside endpoint and GPU.
        cpu_alone: CPU seconds with the packaged models, without endpoint and GPU.
        stored: Bytes that stay.
    """

    stage: str
    requests: float = 0
    prompt: float = 0
    completion: float = 0
    gpu: float | None = None
    cpu: float = 0
    cpu_alone: float | None = None
    stored: float = 0

    @property
    def usd(self) -> float:
        """Price of the tokens."""
        prices = RATES["usd_in"].value, RATES["usd_out"].value
        return (self.prompt * prices[0] + self.completion * prices[1]) / 1e6


def costs(n_seeds: float) -> list[Cost]:
    """Return what each stage costs for so many seed questions, all of the pool."""
    r = {name: rate.value for name, rate in RATES.items()}
    n_pairs = n_seeds * r["usable"] * r["pairs_asked"]
    n_kept = n_pairs * r["kept"]
    n_mix = min(N_MIX, n_seeds, 2 * n_kept)
    sizes = [n_seeds, n_kept, n_mix, n_mix, n_seeds + min(n_seeds, n_kept)]
    n_examples = sum(sizes) * N_SEEDS
    n_answers = len(sizes) * N_SEEDS * N_TEST
    request = r["client"] + r["store"]
    return [
        Cost(
            stage="generate_contexts",
            requests=n_seeds,
            prompt=n_seeds * r["context_prompt"],
            completion=n_seeds * r["context_tokens"],
            cpu=n_seeds * request,
            cpu_alone=n_seeds * r["embedded"],
            stored=n_seeds * r["response_bytes"],
        ),
        Cost(
            stage="generate_pairs",
            requests=n_pairs,
            prompt=n_pairs * r["pair_prompt"],
            completion=n_pairs * r["pair_tokens"],
            cpu=n_pairs * request,
            cpu_alone=n_pairs * r["trained"],
            stored=n_pairs * (r["response_bytes"] + r["pair_bytes"]),
        ),
        Cost(stage="validate (pairs)", cpu=n_pairs * r["gate_pairs"]),
        Cost(
            stage="answer_round_trip",
            gpu=n_pairs * r["gpu_answering"],
            cpu_alone=n_pairs * r["answering"],
        ),
        Cost(stage="filter_pairs", cpu=n_pairs * r["filter"], stored=n_pairs * r["pair_bytes"]),
        Cost(stage="validate (kept)", cpu=n_kept * r["gate_kept"]),
        Cost(
            stage="blend",
            cpu=N_SEEDS * n_kept * r["blend"],
            stored=n_examples * r["pair_bytes"],
        ),
        Cost(
            stage="train",
            gpu=n_examples * N_EPOCHS * r["gpu_training"],
            cpu_alone=n_examples * N_EPOCHS * r["training"],
            stored=len(sizes) * N_SEEDS * r["model_bytes"],
        ),
        Cost(
            stage="evaluate",
            gpu=n_answers * r["gpu_answering"],
            cpu_alone=n_answers * r["answering"],
        ),
    ]


def total(found: list[Cost]) -> Cost:
    """Return the sum over stages."""
    return Cost(
        stage="**all**",
        requests=sum(c.requests for c in found),
        prompt=sum(c.prompt for c in found),
        completion=sum(c.completion for c in found),
        gpu=sum(c.gpu or 0 for c in found),
        cpu=sum(c.cpu for c in found),
        cpu_alone=sum(c.cpu if c.cpu_alone is None else c.cpu_alone for c in found),
        stored=sum(c.stored for c in found),
    )


def plan() -> str:
    """Return the tables of costs, one a size."""
    parts = []
    for n_seeds in SIZES:
        lines = [
            f"**{n_seeds:,} seed questions**",
            "",
            "| stage | requests | M tokens in | M tokens out, at most | USD, at most |"
            " GPU h, estimate | CPU h beside | CPU h, no endpoint or GPU | GB |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        found = costs(n_seeds)
        for cost in [*found, total(found)]:
            alone = cost.cpu if cost.cpu_alone is None else cost.cpu_alone
            cells = [
                cost.stage,
                _count(cost.requests),
                _number(cost.prompt / 1e6),
                _number(cost.completion / 1e6),
                _count(cost.usd),
                _number((cost.gpu or 0) / _HOUR),
                _number(cost.cpu / _HOUR),
                _number(alone / _HOUR),
                _number(cost.stored / 1e9),
            ]
            lines.append(f"| {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def client_rate() -> float:
    """Return the requests a second that one core sends and stores, which is all a run uses."""
    return 1 / (RATES["client"].value + RATES["store"].value)


def pool_rate(n_addresses: int) -> float:
    """Return the requests a second of so many addresses, each as fast as the one measured."""
    return min(RATES["requests"].value * n_addresses, client_rate())


def pool() -> str:
    """Return a table of what more addresses of one model give."""
    hours = " | ".join(f"h for {n:,} seed questions" for n in SIZES)
    lines = [f"| addresses | requests a second | {hours} |", "|---|---|---|---|"]
    for n in POOLS:
        rate = pool_rate(n)
        bound = ", the client's core" if rate == client_rate() else ""
        spent = [_number(total(costs(size)).requests / rate / _HOUR) for size in SIZES]
        lines.append(f"| {n} | {rate:,.0f}{bound} | {' | '.join(spent)} |")
    most = client_rate() / RATES["requests"].value
    lines += ["", f"That core is used up at {most:.1f} times the rate of one address."]
    return "\n".join(lines) + "\n"


def limits() -> list[tuple[str, float]]:
    """Return what of one machine gives way at how many seed questions, the first one first."""
    pair_memory = RATES["memory"].value * RATES["usable"].value * RATES["pairs_asked"].value
    day = HOURS * _HOUR
    shares: dict[str, Callable[[float], float]] = {
        f"{HOURS} h of {CORES} cores, no endpoint and no GPU": lambda n: (
            (total(costs(n)).cpu_alone or 0) / CORES / day
        ),
        f"{HOURS} h of {CORES} cores beside endpoint and GPU": lambda n: (
            total(costs(n)).cpu / CORES / day
        ),
        f"{HOURS} h of one GPU (estimate)": lambda n: (total(costs(n)).gpu or 0) / day,
        f"{HOURS} h of an endpoint that answers after 0.5 s, 128 in flight": lambda n: (
            total(costs(n)).requests / RATES["requests"].value / day
        ),
        f"{HOURS} h of {POOLS[-1]} addresses, 128 in flight each, as above": lambda n: (
            total(costs(n)).requests / pool_rate(POOLS[-1]) / day
        ),
        "16 GiB of memory (blend; a line through two sizes)": lambda n: (
            n * pair_memory / MEMORY_BYTES
        ),
    }
    found = {what: _reached(share) for what, share in shares.items()}
    return sorted(found.items(), key=lambda item: item[1])


def _reached(share: Callable[[float], float]) -> float:
    """Return the number of seed questions at which a share that grows is 1, by bisection."""
    low, high = 1.0, 1e12
    while high / low > 1.001:
        middle = (low * high) ** 0.5
        low, high = (middle, high) if share(middle) < 1 else (low, middle)
    return low


def bottlenecks() -> str:
    """Return a table of `limits`."""
    lines = ["| what is used up | at so many seed questions |", "|---|---|"]
    lines += [f"| {what} | {_count(_rounded(n))} |" for what, n in limits()]
    return "\n".join(lines) + "\n"


def rates() -> str:
    """Return a table of the rates."""
    lines = ["| rate | | | from |", "|---|---|---|---|"]
    for rate in RATES.values():
        page = "this page" if rate.page == _OWN else f"[{rate.page}](../{rate.page})"
        lines.append(f"| {rate.value:.3g} | {rate.unit} | {rate.kind} | {page} |")
    return "\n".join(lines) + "\n"


BLOCKS: dict[str, Callable[[], str]] = {
    "rates": rates,
    "plan": plan,
    "pool": pool,
    "bottlenecks": bottlenecks,
}


def with_blocks(text: str) -> str:
    """Return the page with every table made anew."""
    return _BLOCK.sub(lambda found: f"{found[1]}{BLOCKS[found[2]]()}{found[4]}", text)


def _rounded(n: float) -> float:
    """Return a number to two digits: the rates are no surer than that."""
    return float(f"{n:.2g}")


def _count(n: float) -> str:
    return f"{n:,.0f}" if n else ""


def _number(n: float) -> str:
    if not n:
        return ""
    return f"{n:,.0f}" if n >= 100 else f"{n:.3g}" if n >= 0.01 else "< 0.01"


def main() -> None:
    """Print the tables, or write them into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/scale.md")
    if parser.parse_args().write:
        PAGE.write_text(with_blocks(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(*(block() for block in BLOCKS.values()), sep="\n")
    summary = {
        n: {
            "requests": round(cost.requests),
            "usd_at_most": round(cost.usd),
            "gpu_hours_estimate": round((cost.gpu or 0) / _HOUR, 1),
            "cpu_hours": round(cost.cpu / _HOUR, 1),
            "cpu_hours_alone": round((cost.cpu_alone or 0) / _HOUR),
            "gigabytes": round(cost.stored / 1e9),
        }
        for n in SIZES
        for cost in [total(costs(n))]
    }
    print(json.dumps({"seeds": summary, "first_bottleneck": limits()[0][0]}))


if __name__ == "__main__":
    main()
