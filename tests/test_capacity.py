"""The capacity plan in docs/scale.md is what its script computes, from rates in the docs."""

import runpy
from pathlib import Path

import pytest

SCRIPT = runpy.run_path("benchmarks/capacity.py")
PAGE = Path("docs/scale.md")


def test_the_page_is_as_the_script_writes_it() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert SCRIPT["with_blocks"](text) == text


@pytest.mark.parametrize("name", SCRIPT["RATES"])
def test_each_rate_stands_in_the_page_that_it_names(name: str) -> None:
    rate = SCRIPT["RATES"][name]
    assert rate.quote in Path(rate.page).read_text(encoding="utf-8").replace("\n", " ")


def test_twice_the_seeds_cost_twice_the_requests_and_tokens() -> None:
    one, two = (SCRIPT["total"](SCRIPT["costs"](n)) for n in (1_000_000, 2_000_000))
    assert two.requests == pytest.approx(2 * one.requests)
    assert two.usd == pytest.approx(2 * one.usd)
    # Recipes of a fixed size and the test sets do not grow.
    assert one.cpu_alone < two.cpu_alone < 2 * one.cpu_alone


def test_the_first_bottleneck_is_the_one_that_the_fewest_seeds_reach() -> None:
    numbers = [n for _, n in SCRIPT["limits"]()]
    assert numbers == sorted(numbers)


def test_addresses_add_up_until_the_client_s_core_is_used_up() -> None:
    rate, most = SCRIPT["pool_rate"], SCRIPT["client_rate"]()
    assert rate(4) == pytest.approx(4 * rate(1))
    assert rate(4) < most
    assert rate(100) == rate(1000) == most
