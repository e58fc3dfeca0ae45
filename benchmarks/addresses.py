"""What more addresses of one model give: requests a second with one and with several servers.

    python benchmarks/addresses.py            # one JSON line last
    python benchmarks/addresses.py --scale 0.1

Each server, a process of its own on loopback, answers after half a second, and is sent so many
requests at once that one of them waits and does not compute. Ideal is what that delay allows. One
and several take turns, so that what else runs on the machine hits both.
"""

import argparse
import json
import statistics
from contextlib import ExitStack

from command import run_command
from generation import DELAY_S, Numbers, Server, complete, parameters, say, scaled

ADDRESSES = (1, 4)
IN_FLIGHT = 16
# For each address: 20 times the delay, and the first answer alone.
REQUESTS = 640
ROUNDS = 3


def rates(scale: float) -> Numbers:
    """Measure requests a second and CPU a request by the number of addresses."""
    runs: dict[int, list[Numbers]] = {n: [] for n in ADDRESSES}
    with ExitStack() as stack:
        urls = [stack.enter_context(Server(DELAY_S)).base_url for _ in range(max(ADDRESSES))]
        params = parameters(urls[0], max_in_flight=IN_FLIGHT)
        for number in range(ROUNDS):
            for n in ADDRESSES if number % 2 == 0 else reversed(ADDRESSES):
                n_requests = scaled(REQUESTS, scale, least=2 * IN_FLIGHT) * n
                own = params.model_copy(update={"base_url": urls[:n]})
                run = complete(own, n_requests)
                ideal_s = n_requests * DELAY_S / IN_FLIGHT / n
                runs[n].append(
                    {
                        "rate": n_requests / run["seconds"],
                        "of_ideal": ideal_s / run["seconds"],
                        "cpu_ms": run["cpu_seconds"] / n_requests * 1000,
                    }
                )
    found: Numbers = {}
    for n, of in runs.items():
        rate, ideal, cpu_ms = (
            statistics.median(run[what] for run in of) for what in ("rate", "of_ideal", "cpu_ms")
        )
        found[f"rate_{n}"] = round(rate, 1)
        found[f"of_ideal_{n}"] = round(ideal, 3)
        found[f"cpu_ms_per_request_{n}"] = round(cpu_ms, 3)
        say(
            f"{n} address{'es' * (n > 1)}, {IN_FLIGHT} in flight each: {rate:.1f} requests/s,"
            f" {100 * ideal:.1f} % of ideal, {cpu_ms:.2f} ms of CPU a request"
        )
    one, several = (runs[n] for n in ADDRESSES)
    ratio = statistics.median(b["rate"] / a["rate"] for a, b in zip(one, several, strict=True))
    found["rate_ratio"] = round(ratio, 2)
    say(f"requests/s with {ADDRESSES[1]} to {ADDRESSES[0]}, median of {ROUNDS} rounds: {ratio:.2f}")
    return found


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="of all sizes, to try it out")
    print(json.dumps(rates(parser.parse_args().scale), sort_keys=True))


if __name__ == "__main__":
    run_command(main)
