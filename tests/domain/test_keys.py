"""When an old key may go."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from adapters.nats.streams import DAY, RETENTION_SECONDS, _streams
from domain.keys import KEPT_ELSEWHERE, may_destroy

AT = datetime(2026, 1, 1, tzinfo=UTC)
times = st.integers(0, 10**8).map(lambda seconds: AT + timedelta(seconds=seconds))
rows = st.lists(st.one_of(st.none(), st.integers(0, 3)), max_size=4)


@given(times, times, rows)
def test_a_key_goes_only_when_nothing_is_left_under_it_anywhere(
    retired_at: datetime, now: datetime, left: list[int | None]
) -> None:
    if may_destroy(retired_at, now, left):
        assert now - retired_at >= KEPT_ELSEWHERE
        assert not any(each is None or each > 0 for each in left)
    else:
        assert now - retired_at < KEPT_ELSEWHERE or any(each != 0 for each in left)


@given(times, st.lists(st.just(0), max_size=4))
def test_it_goes_in_the_end(retired_at: datetime, left: list[int]) -> None:
    assert may_destroy(retired_at, retired_at + KEPT_ELSEWHERE, left)
    assert not may_destroy(retired_at, retired_at + KEPT_ELSEWHERE - timedelta(seconds=1), left)


def test_streams_do_not_keep_events_for_longer_than_keys_wait_for() -> None:
    ages = {str(each.name): each.max_age or float("inf") for each in _streams(1)}
    assert ages["WEBHOOKS"] == ages["EVENTS"] == RETENTION_SECONDS
    longest = max(ages["WEBHOOKS"] + ages["DEAD"], ages["EVENTS"] + ages["TASKS"])
    assert longest + DAY <= KEPT_ELSEWHERE.total_seconds()
