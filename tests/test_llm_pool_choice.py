"""Which address is asked next, on a clock of the test's own."""

from pathlib import Path

import pytest

from augqa.errors import GenerationError
from augqa.llm.address import Place
from augqa.llm.inbound import Again
from augqa.llm.limiter import RateLimiter
from augqa.llm.pool import Pool, Server
from augqa.llm.waits import Limits
from augqa.llm.wire import Endpoint

NO_LIMITS = Limits(requests=None, tokens=None, pause_s=None)


def server(number: int, *, seconds: float | None = 1.0, max_in_flight: int = 100) -> Server:
    """Return an address that has given an answer after so many seconds; None: none yet."""
    place = Place(base_url=f"http://127.0.0.1:{number}/v1", api_key="k", api_key_env="K")
    endpoint = Endpoint(place, model="m", max_connections=1, timeout_s=1.0)
    made = Server(endpoint, RateLimiter(None, None), max_in_flight=max_in_flight)
    if seconds is not None:
        made.answered(0.0, seconds, NO_LIMITS)
    return made


def pool(*servers: Server, max_retries: int = 5) -> Pool:
    return Pool(servers, max_retries=max_retries, cache_path=Path("c.sqlite"))


def sent(of: Pool, n: int, now: float = 0.0) -> list[int]:
    """Send `n` requests that are not answered; return how many went to each address."""
    for _ in range(n):
        chosen, _ = of.choose(now, 1)
        assert chosen is not None
        chosen.n_in_flight += 1
    return [one.n_in_flight for one in of.servers]


def fail(of: Pool, one: Server, now: float, reason: str = "http_503") -> None:
    of.failed(one, now, now, Again(reason), 1)


def test_the_one_with_the_fewest_under_way_is_asked() -> None:
    assert sent(pool(*(server(n) for n in range(1, 5))), 12) == [3, 3, 3, 3]


def test_one_that_answers_in_half_the_time_is_sent_twice_as_many() -> None:
    assert sent(pool(server(1, seconds=2.0), server(2, seconds=1.0)), 30) == [10, 20]


def test_the_weight_follows_what_is_answered_now() -> None:
    changing, steady = server(1, seconds=9.0), server(2, seconds=1.0)
    for _ in range(60):
        changing.answered(0.0, 1.0, NO_LIMITS)
    assert sent(pool(changing, steady), 10) == [5, 5]


def test_one_without_an_answer_yet_is_sent_a_single_request() -> None:
    assert sent(pool(server(1), server(2, seconds=None)), 10) == [9, 1]


def test_none_is_asked_where_all_windows_are_full() -> None:
    both = pool(server(1, max_in_flight=2), server(2, max_in_flight=3))
    assert sent(both, 5) == [2, 3]
    assert both.choose(0.0, 1) == (None, None)


def test_the_pause_of_one_that_is_left_out_doubles_up_to_a_bound() -> None:
    one, now = server(1), 0.0
    both = pool(one, server(2), max_retries=50)
    pauses = []
    for _ in range(12):
        fail(both, one, now, "connection")
        pauses.append(one.wait_s(now, 1))
        now += pauses[-1]
        assert one.wait_s(now, 1) == 0.0
    # Up to a quarter more than the pause itself.
    assert [pause // 2**n for n, pause in enumerate(pauses[:9])] == [1.0] * 9
    assert all(300 <= pause <= 375 for pause in pauses[9:])


def test_one_that_was_left_out_is_tried_with_a_single_request_until_it_answers() -> None:
    one, other = server(1), server(2, max_in_flight=1)
    both = pool(one, other)
    fail(both, one, 0.0, "connection")
    assert sent(both, 1) == [0, 1]
    chosen, wait_s = both.choose(0.0, 1)
    assert chosen is None
    assert wait_s is not None
    assert sent(both, 1, now=wait_s) == [1, 1]
    assert both.choose(wait_s, 1) == (None, None)
    one.answered(wait_s, 1.0, NO_LIMITS)
    assert sent(both, 1, now=wait_s) == [2, 1]


def test_two_failures_are_a_request_s_own_and_a_third_in_a_row_the_address_s() -> None:
    one = server(1)
    both = pool(one, server(2))
    for _ in range(2):
        fail(both, one, 0.0)
    one.answered(0.0, 1.0, NO_LIMITS)
    for _ in range(2):
        fail(both, one, 0.0)
    assert one.n_left == 0
    fail(both, one, 0.0)
    assert one.n_left == 1


def test_failures_of_one_wave_leave_an_address_out_once() -> None:
    one = server(1)
    both = pool(one, server(2))
    for now in (1.0, 1.1, 1.2):
        both.failed(one, now, 0.5, Again("connection"), 1)
        both.stopped(one, now, 0.5, GenerationError("the key is not accepted"))
    assert one.n_left == 1


def test_a_failure_of_before_an_address_was_left_out_does_not_count_after_its_return() -> None:
    one = server(1)
    both = pool(one, server(2))
    fail(both, one, 1.0, "connection")
    one.answered(3.0, 1.0, NO_LIMITS)
    for sent_at in (0.5, 0.6, 3.0):
        both.failed(one, 3.1, sent_at, Again("reset"), 1)
    assert one.n_left == 0


def test_a_request_goes_where_it_has_not_failed_while_that_is_in_service() -> None:
    one, other = server(1, seconds=1.0), server(2, seconds=50.0, max_in_flight=1)
    both = pool(one, other)
    assert both.choose(0.0, 1, [one]) == (other, None)
    other.n_in_flight = 1
    assert both.choose(0.0, 1, [one]) == (None, None)
    assert both.choose(0.0, 1, [one, other]) == (one, None)
    other.leave(0.0, 0.0, "no connection", needs_user=False, for_s=None)
    assert both.choose(0.0, 1, [one]) == (one, None)


def test_none_is_left_where_each_needs_the_user_or_has_failed_too_often() -> None:
    one, other = server(1), server(2)
    both = pool(one, other, max_retries=1)
    both.stopped(one, 0.0, 0.0, GenerationError("the key is not accepted"))
    fail(both, other, 0.0, "connection")
    with pytest.raises(GenerationError, match="none of the 2 addresses"):
        fail(both, other, 10.0, "connection")


def test_a_single_address_is_never_left_out() -> None:
    one = server(1)
    alone = pool(one)
    for now in range(20):
        fail(alone, one, float(now))
    assert alone.choose(20.0, 1) == (one, None)
    with pytest.raises(GenerationError, match="the key is not accepted"):
        alone.stopped(one, 20.0, 20.0, GenerationError("the key is not accepted"))
