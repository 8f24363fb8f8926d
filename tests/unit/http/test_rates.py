"""Token buckets: the mean keeps to the rate, and strangers cannot make the table grow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.errors import RateLimited
from concord.http import rates as rates_module
from concord.http.rates import Rates


class Clock:
    """Seconds that a test moves."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def admitted(take, times):
    """How many of so many are admitted."""
    count = 0
    for _ in range(times):
        try:
            take()
        except RateLimited:
            continue
        count += 1
    return count


def test_a_quiet_caller_has_its_burst_and_then_its_rate(clock):
    rates = Rates(requests=5, burst_seconds=2, clock=clock)
    bucket = rates.of_address("a")
    assert admitted(lambda: rates.take_request(bucket), 50) == 10
    clock.now += 1
    assert admitted(lambda: rates.take_request(bucket), 50) == 5


def test_a_refusal_says_when_there_is_one_again(clock):
    rates = Rates(requests=0.5, burst_seconds=4, clock=clock)
    bucket = rates.of_token("crm")
    admitted(lambda: rates.take_request(bucket), 2)
    with pytest.raises(RateLimited, match="CONCORD_RATE_REQUESTS") as caught:
        rates.take_request(bucket)
    error = caught.value
    assert (error.status, error.code, error.retry_after) == (429, "rate_limited", 2)
    assert (error.policy, error.quota, error.window) == ("requests", 2, 4)


def test_a_large_call_is_admitted_and_paid_for_afterwards(clock):
    rates = Rates(rows=10, burst_seconds=1, clock=clock)
    bucket = rates.of_token("crm")
    rates.take_rows(bucket, 1000)
    with pytest.raises(RateLimited) as caught:
        rates.take_rows(bucket, 1)
    assert caught.value.retry_after == pytest.approx(99.1)
    clock.now += 99.2
    rates.take_rows(bucket, 1)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 200)), max_size=60), st.floats(0.5, 50))
def test_over_any_time_a_caller_gets_at_most_its_rate_its_burst_and_one_call(calls, rate):
    clock = Clock()
    rates = Rates(rows=rate, burst_seconds=2, clock=clock)
    bucket, taken, largest = rates.of_address("a"), 0, 0
    for pause, rows in calls:
        clock.now += pause
        largest = max(largest, rows)
        if admitted(lambda rows=rows: rates.take_rows(bucket, rows), 1):
            taken += rows
    assert taken <= rate * clock.now + max(1, rate * 2) + largest + 1e-6


def test_callers_do_not_share(clock):
    rates = Rates(requests=1, burst_seconds=1, clock=clock)
    for bucket in (rates.of_address("a"), rates.of_address("b"), rates.of_token("a")):
        assert admitted(lambda bucket=bucket: rates.take_request(bucket), 3) == 1


def test_the_table_is_bounded_and_newcomers_share_one_bucket(clock, monkeypatch):
    monkeypatch.setattr(rates_module, "MOST_ADDRESSES", 100)
    rates = Rates(requests=1, burst_seconds=10, clock=clock)
    for i in range(1000):
        rates.take_request(rates.of_address(str(i))) if i < 100 else rates.of_address(str(i))
    assert len(rates) == 100
    assert rates.of_address("x") is rates.of_address("y")
    assert rates.of_token("crm") is not rates.of_address("x")


def test_a_bucket_that_is_full_again_makes_room_and_one_in_use_stays(clock, monkeypatch):
    monkeypatch.setattr(rates_module, "MOST_ADDRESSES", 2)
    rates = Rates(requests=1, burst_seconds=2, clock=clock)
    rates.take_request(rates.of_address("old"))
    clock.now += 5
    kept = rates.of_address("busy")
    rates.take_request(kept)
    fresh = rates.of_address("new")
    assert fresh is rates.of_address("new")
    assert rates.of_address("busy") is kept


def test_without_rates_nothing_is_refused():
    rates = Rates()
    assert rates.are_off
    bucket = rates.of_address("a")
    assert admitted(lambda: rates.take_request(bucket), 1000) == 1000
    assert admitted(lambda: rates.take_rows(bucket, 1000), 1000) == 1000
