"""Parts of names as numbers: found again with the shop's key, and telling little without it."""

from collections import Counter
from datetime import date, timedelta
from itertools import cycle
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from adapters.crypto.blind_search import HmacSearch
from domain.names import name_parts
from tests.keys import new_key

KEY, OTHER = (new_key(UUID(int=each)) for each in (1, 2))
SEARCH = HmacSearch()
MANY = [a + b + c for a in "abcdefghijklmnop" for b in "aeioulmn" for c in "abcdefghijklmnop"]


@given(st.lists(st.text(max_size=3), max_size=600, unique=True))
def test_what_was_stored_is_found(parts: list[str]) -> None:
    stored = SEARCH.stored(KEY, parts)
    asked = SEARCH.asked(KEY, parts)
    assert set(asked) <= set(stored)
    assert list(stored) == sorted(set(stored))
    assert all(0 <= each < 2**31 for each in stored)
    assert bool(stored) == bool(parts)


def test_another_key_makes_other_numbers() -> None:
    assert not set(SEARCH.asked(KEY, MANY)) & set(SEARCH.asked(OTHER, MANY))


def test_many_parts_share_a_number() -> None:
    shared = Counter(number for part in MANY for number in SEARCH.asked(KEY, [part]))
    assert len(shared) <= 512
    assert min(shared.values()) >= 1
    assert max(shared.values()) < 20  # and no number stands for everything


def test_numbers_drawn_at_random_hide_how_many_parts_there_are() -> None:
    lengths = {len(SEARCH.stored(KEY, name_parts("abcdefghijkl"[:size]))) for size in range(1, 9)}
    assert lengths == {16}
    parts = name_parts("Ada Lovelace")
    assert SEARCH.stored(KEY, parts) != SEARCH.stored(KEY, parts)
    for size in range(1, 200):
        stored = SEARCH.stored(KEY, MANY[:size])
        assert len(stored) % 8 == 0
        assert len(stored) >= len(SEARCH.asked(KEY, MANY[:size])) + 4


def test_a_draw_that_is_there_already_is_drawn_again() -> None:
    draws = cycle(range(512))
    search = HmacSearch(lambda _bits: next(draws))
    everything = search.stored(KEY, MANY)
    assert len(everything) == len(set(everything)) <= 512


def test_a_day_of_the_year_shares_its_number_with_five_others_and_nobody_else_knows_which() -> None:
    year = [(day.month, day.day) for day in (date(2000, 1, 1) + timedelta(n) for n in range(366))]
    days = {day: SEARCH.days(KEY, *day) for day in year}
    assert set(Counter(days.values()).values()) == {6}
    assert days == {day: HmacSearch().days(KEY, *day) for day in year}
    together = {tuple(sorted(day for day in year if days[day] == number)) for number in range(61)}
    others = {
        tuple(sorted(day for day in year if SEARCH.days(OTHER, *day) == number))
        for number in range(61)
    }
    assert not together & others
