"""What is moved between stores that share a balance, and from where."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.points.ledger import EntryDraft, EntryKind, Source
from domain.points.lot import Life, Lot, Share, spending_order
from domain.points.lots import Lots, LotsDisagree
from domain.points.pooling import (
    Linked,
    missing,
    one_of_each_shop,
    other_shop,
    taken,
    to_be_moved,
)
from domain.points.pooling import given as came
from domain.points.reversal import NotReversible, reversal
from domain.points.statement import in_words
from domain.points.wallet import EMPTY, Wallet, apply

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)


def share(number: int, points: int, days: int | None = None) -> Share:
    life = Life(None if days is None else AT + timedelta(days=days))
    return Share(Lot(UUID(int=number), 1_000, AT + timedelta(seconds=number), life), points)


@pytest.mark.parametrize(
    ("own", "cost", "points"), [(0, 50, 50), (30, 50, 20), (50, 50, 0), (80, 50, 0), (-20, 50, 70)]
)
def test_a_debt_is_paid_before_anything_is_spent(own: int, cost: int, points: int) -> None:
    assert missing(Wallet(own), cost) == points


def test_what_expires_first_goes_first_wherever_it_is() -> None:
    places = {
        "north": [share(1, 30, 2), share(2, 100)],
        "south": [share(3, 20, 1), share(4, 50, 3), share(5, 9)],
    }
    assert to_be_moved(places, 45) == {"south": 20, "north": 25}
    assert to_be_moved(places, 150) == {"south": 70, "north": 80}
    assert to_be_moved(places, 209) == {"south": 79, "north": 130}
    assert to_be_moved(places, 0) == {}
    with pytest.raises(LotsDisagree):
        to_be_moved(places, 210)


LOTS = st.lists(st.tuples(st.integers(1, 50), st.none() | st.integers(1, 5)), max_size=6)


@given(held=st.lists(LOTS, min_size=1, max_size=4), some=st.floats(0, 1), debt=st.integers(0, 80))
def test_no_point_is_made_or_lost_and_none_lives_longer_for_a_move(
    held: list[list[tuple[int, int | None]]], some: float, debt: int
) -> None:
    places: dict[UUID, list[Share]] = {}
    number = 0
    for each in held:
        shares = []
        for points, days in each:
            number += 1
            shares.append(share(number, points, days))
        places[uuid4()] = sorted(shares, key=spending_order)
    every = [each for shares in places.values() for each in shares]
    points = int(sum(each.points for each in every) * some)
    here, reference = uuid4(), uuid4()
    wallet, lots = Wallet(-debt), Lots(-debt)
    gone: dict[UUID, int] = {}
    for place, part in to_be_moved(places, points).items():
        there = Lots(sum(each.points for each in places[place]), places[place])
        out = taken(reference, here, part)
        assert (out.kind, out.source, other_shop(out)) == (EntryKind.TRANSFER, Source.POOL, here)
        uses = there.apply(uuid4(), out, AT)
        for lot, took in uses:
            gone[lot.lot_id] = gone.get(lot.lot_id, 0) + took
        half = came(reference, place, part, uses)
        assert other_shop(half) == place
        assert half.points + out.points == 0
        assert half.key != out.key
        wallet = apply(wallet, half)
        lots.apply(uuid4(), half, AT)
    assert wallet == Wallet(points - debt)
    assert sum(gone.values()) == points
    # The first to expire have gone, whole but for the last of them.
    in_turn = sorted(every, key=spending_order)
    assert [gone.get(each.lot.lot_id, 0) for each in in_turn] == sorted_take(in_turn, points)
    kinds = {each.lot.lot_id: each.lot for each in every}
    assert all(each.lot == kinds[each.lot.lot_id] for each in lots.open())
    assert sum(each.points for each in lots.open()) == max(0, points - debt)


def sorted_take(in_turn: list[Share], points: int) -> list[int]:
    found = []
    for each in in_turn:
        part = min(each.points, points)
        points -= part
        found.append(part)
    return found


def test_of_each_shop_the_one_linked_last_shares() -> None:
    north, south = UUID(int=2), UUID(int=1)
    a, b, c, d = (UUID(int=10 + number) for number in range(4))
    linked = [
        Linked(north, a, AT + timedelta(seconds=1)),
        Linked(north, b, AT),
        Linked(south, c, AT),
        Linked(south, d, AT),
    ]
    for told in (linked, linked[::-1]):
        assert one_of_each_shop(told) == [linked[3], linked[0]]
    assert one_of_each_shop([]) == []


def test_a_move_says_so_and_is_not_undone_by_hand() -> None:
    out, into = taken(uuid4(), uuid4(), 5), came(uuid4(), uuid4(), 5, ())
    assert in_words(out, "USD") == "Moved to another store"
    assert in_words(into, "USD") == "Moved here from another store"
    for draft in (out, into):
        with pytest.raises(NotReversible, match="undo what they were earned by"):
            reversal(uuid4(), draft, "oops")
    gift = EntryDraft(EntryKind.ADJUST, 5, "x", Source.ADJUST, "k", "")
    assert other_shop(gift) is None
    assert apply(apply(EMPTY, into), out) == EMPTY
