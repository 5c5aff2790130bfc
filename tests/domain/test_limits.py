"""What a bucket promises, whatever is asked of it and when."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.limits import SECOND, Rate, draw, level

rates = st.builds(Rate, st.integers(1, 200), st.integers(1, 100))
pauses = st.lists(st.integers(0, 3 * SECOND), max_size=60)


def admitted_at(rate: Rate, gaps: list[int]) -> list[int]:
    full_at, admitted = 0, []
    for now in accumulate(gaps, initial=10**15):
        drawn, (full_at,) = draw([rate], [full_at], now)
        if drawn.admitted:
            admitted.append(now)
    return admitted


@given(rates, pauses)
def test_no_stretch_of_time_lets_more_through_than_a_bucket_and_what_flowed_in(rate, gaps):
    times = admitted_at(rate, gaps)
    for first in range(len(times)):
        for last in range(first, len(times)):
            flowed_in = (times[last] - times[first]) // rate.interval
            assert last - first + 1 <= rate.requests + flowed_in


@given(rates)
def test_a_full_bucket_can_be_emptied_at_once_and_no_further(rate):
    assert len(admitted_at(rate, [0] * (rate.requests + 5))) == rate.requests


@given(rates, pauses, st.integers(0, 3 * SECOND))
def test_a_refused_request_gets_in_after_its_wait_and_not_before(rate, gaps, pause):
    now, full_at = 10**15, 0
    for gap in [*gaps, *[pause // 100] * rate.requests]:
        now += gap
        drawn, (after,) = draw([rate], [full_at], now)
        (found,) = drawn.levels
        if drawn.admitted:
            assert found.wait == 0
        else:
            assert found.remaining == 0
            assert after == max(full_at, now)
            assert draw([rate], [after], now + found.wait)[0].admitted
            assert not draw([rate], [after], now + found.wait - 1)[0].admitted
        full_at = after


@given(rates, st.integers(0, 200))
def test_as_many_get_through_as_were_said_to_remain(rate, before):
    full_at, now, remaining = 0, 10**15, rate.requests
    for _ in range(before):
        drawn, (full_at,) = draw([rate], [full_at], now)
        remaining = drawn.levels[0].remaining
    got_through = 0
    while True:
        drawn, (full_at,) = draw([rate], [full_at], now)
        if not drawn.admitted:
            break
        got_through += 1
    assert got_through == remaining


@given(rates, rates, st.integers(1, 300))
def test_a_request_draws_on_all_its_buckets_or_on_none(one, other, times):
    now = 10**15
    drawn, full_at = draw([one, other], (0, 0), now)
    admitted = 1
    for _ in range(times - 1):
        drawn, full_at = draw([one, other], full_at, now)
        admitted += drawn.admitted
    assert admitted == min(times, one.requests, other.requests)
    for rate, at in zip((one, other), full_at, strict=True):
        assert level(rate, max(0, at - now)).remaining == rate.requests - admitted
    assert drawn.tightest.rate in (one, other)
    assert (drawn.tightest.wait > 0) == (not drawn.admitted)


@given(rates, st.integers(0, 10**6))
def test_a_clock_that_steps_back_gives_nothing_away(rate, back):
    full_at, now = 0, 10**15
    for _ in range(rate.requests):
        _, (full_at,) = draw([rate], [full_at], now)
    assert not draw([rate], [full_at], now - back)[0].admitted


def test_a_bucket_that_rested_is_full():
    rate = Rate(10, 60)
    drawn, _ = draw([rate], [1], rate.capacity + 1)
    assert drawn.levels[0].remaining == 9
    assert level(rate, 0).filled == 1


def test_rates_scale_and_never_shut():
    assert Rate(1200, 60).times(50) == Rate(600, 60)
    assert Rate(1, 60).times(1) == Rate(1, 60)
    for wrong in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="rate"):
            Rate(*wrong)
