"""When a consumer takes it that more is on its way."""

from adapters.nats.pull import Pace


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def _told(pace: Pace, clock: _Clock, events: int, every: float, times: int) -> list[bool]:
    """Whether it was busy after each of so many batches, ``every`` seconds apart."""
    found = []
    for _ in range(times):
        clock.now += every
        pace.count(events)
        found.append(pace.is_busy)
    return found


def test_many_in_a_row_are_a_crowd_until_they_end() -> None:
    clock = _Clock()
    pace = Pace(clock)
    assert not any(_told(pace, clock, 20, 0.02, 24))  # 1,000 a second, but for how long?
    assert _told(pace, clock, 20, 0.02, 50)[-1]
    assert _told(pace, clock, 300, 0.3, 4) == [True] * 4
    assert _told(pace, clock, 1, 2.0, 1) == [False]


def test_a_handful_at_once_is_none() -> None:
    clock = _Clock()
    pace = Pace(clock)
    assert not any(_told(pace, clock, 8, 0.001, 8))
    assert not any(_told(pace, clock, 9, 0.03, 100))  # 300 a second


def test_nor_is_a_batch_after_a_long_rest() -> None:
    clock = _Clock()
    pace = Pace(clock)
    clock.now += 60
    pace.count(900)
    assert not pace.is_busy


def test_a_crowd_of_a_while_ago_is_none_any_more() -> None:
    clock = _Clock()
    pace = Pace(clock)
    assert _told(pace, clock, 20, 0.02, 50)[-1]
    clock.now += 0.4
    assert pace.is_busy
    clock.now += 0.7
    assert not pace.is_busy
