"""Lots always add up to their wallet, and the right ones pay."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.points.ledger import EntryDraft, EntryKind, Source
from domain.points.lot import FOREVER, Life, Lot, Share, still_out
from domain.points.lots import (
    Lots,
    LotsDisagree,
    add_up,
    expiry_entry,
    is_activity,
    named_lots,
    touches_lots,
    undoing,
)
from domain.points.wallet import EMPTY, apply

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)


def id_of(number: int) -> UUID:
    return UUID(int=number)


def draft(points: int, **changes: Any) -> EntryDraft:
    given: dict[str, Any] = {
        "kind": EntryKind.ADJUST, "reason": "", "source": "adjust", "source_ref": "1", "rule": ""
    }  # fmt: skip
    return EntryDraft(points=points, **(given | changes))


def until(days: int) -> Life:
    return Life(AT + timedelta(days=days))


def holding(*lots: tuple[int, Life], spendable: int | None = None, **changes: Any) -> Lots:
    """A wallet of which lot 1, 2, … were opened one after the other."""
    shares = [
        Share(Lot(id_of(n), points, AT + timedelta(hours=n), life, **changes), points)
        for n, (points, life) in enumerate(lots, 1)
    ]
    return Lots(sum(share.points for share in shares) if spendable is None else spendable, shares)


def paid(shares: Sequence[Share]) -> list[tuple[int, int]]:
    return [(share.lot.lot_id.int, share.points) for share in shares]


def test_the_earliest_to_expire_pays_first_then_the_oldest() -> None:
    lots = holding((10, FOREVER), (10, until(9)), (10, until(5)), (10, until(9)), (10, FOREVER))
    assert paid(lots.apply(id_of(9), draft(-45), AT)) == [
        (3, 10),
        (2, 10),
        (4, 10),
        (1, 10),
        (5, 5),
    ]
    assert paid(lots.open()) == [(5, 5)]
    assert lots.spendable == 5


def test_what_an_order_earned_is_taken_back_from_its_own_lots_first() -> None:
    lots = holding((10, until(5)))
    lots.apply(id_of(2), draft(8, order_id="o1"), AT, until(50))
    assert paid(lots.apply(id_of(3), draft(-9, order_id="o1"), AT)) == [(2, 8), (1, 1)]


def test_an_expiry_and_what_undoes_a_credit_take_from_the_lot_they_name() -> None:
    lots = holding((10, until(5)), (10, until(6)), (10, until(7)))
    (share,) = [each for each in lots.open() if each.lot.lot_id == id_of(2)]
    assert paid(lots.apply(id_of(8), expiry_entry(share, 4), AT)) == [(2, 10)]
    assert paid(lots.apply(id_of(9), draft(-12, undoes=id_of(3)), AT)) == [(3, 10), (1, 2)]


def test_a_debt_is_paid_before_a_lot_is_opened() -> None:
    lots = holding((10, FOREVER))
    assert paid(lots.apply(id_of(2), draft(-25), AT)) == [(1, 10)]
    assert lots.apply(id_of(3), draft(15), AT) == ()
    assert lots.open() == []
    lots.apply(id_of(4), draft(-5), AT)
    lots.apply(id_of(5), draft(7), AT, until(3))
    assert lots.open() == [Share(Lot(id_of(5), 2, AT, until(3)), 2)]


def test_points_that_come_back_go_to_the_lots_that_paid() -> None:
    lots = holding((10, until(5)), (10, until(9)))
    uses = lots.apply(id_of(3), draft(-15), AT)
    back = lots.apply(id_of(4), draft(15, uses=uses), AT, until(99))
    assert back == uses
    assert lots.open() == holding((10, until(5)), (10, until(9))).open()


def test_what_paid_last_gets_back_first_and_a_debt_before() -> None:
    lots = holding((10, until(5)), (10, until(9)))
    uses = lots.apply(id_of(3), draft(-20), AT)
    lots.apply(id_of(4), draft(-3), AT)
    assert paid(lots.apply(id_of(5), draft(15, uses=uses), AT)) == [(1, 2), (2, 10)]
    assert lots.spendable == 12


def test_points_that_no_lot_had_paid_open_one_when_they_come_back() -> None:
    lots = holding((4, until(5)))
    uses = lots.apply(id_of(2), draft(-10), AT)
    lots.apply(id_of(3), draft(6), AT)
    assert paid(lots.apply(id_of(4), draft(10, uses=uses), AT, until(50))) == [(1, 4)]
    assert paid(lots.open()) == [(1, 4), (4, 6)]


def test_what_undoes_an_entry_knows_its_lots() -> None:
    uses = (Share(Lot(id_of(1), 10, AT), 10),)
    redeemed, expired = draft(-10, uses=uses), draft(-10, uses=uses, kind=EntryKind.EXPIRE)
    assert undoing(draft(10), redeemed).uses == uses
    assert undoing(draft(10), expired).uses == ()
    assert undoing(draft(-10, undoes=id_of(1)), draft(10)).uses == ()


def test_what_is_still_out() -> None:
    one, two = Lot(id_of(1), 10, AT), Lot(id_of(2), 10, AT)
    taken = [Share(one, 10), Share(two, 4), Share(one, 0), Share(two, 2)]
    assert still_out(taken, [Share(two, 5)]) == (Share(one, 10), Share(two, 1))
    assert still_out(taken, taken) == ()


def test_a_wallet_whose_lots_are_lost_is_not_spent_from() -> None:
    with pytest.raises(LotsDisagree):
        Lots(10).apply(id_of(1), draft(-1), AT)


def test_only_earning_and_spending_is_being_active() -> None:
    active = {kind for kind in EntryKind if is_activity(draft(1, kind=kind))}
    assert active.isdisjoint(
        {EntryKind.ADJUST, EntryKind.EXPIRE, EntryKind.REFUND, EntryKind.TRANSFER,
         EntryKind.REVERSAL, EntryKind.IMPORT}
    )  # fmt: skip
    assert {EntryKind.EARN, EntryKind.REDEEM} <= active
    assert not is_activity(draft(1, kind=EntryKind.EARN, source=Source.BIRTHDAY))


lives = st.sampled_from([FOREVER, until(3), until(3), until(7), Life(None, 5)])
steps = st.lists(
    st.tuples(
        st.sampled_from(["credit", "debit", "pending", "claw", "undo", "expire", "give", "zero"]),
        st.integers(1, 60),
        lives,
        st.sampled_from(["", "o1", "o2"]),
    ),
    max_size=40,
)


@given(steps)
def test_whatever_happens_lots_add_up_to_the_wallet(
    story: list[tuple[str, int, Life, str]],
) -> None:
    lots, wallet = Lots(0), EMPTY
    posted: list[tuple[UUID, EntryDraft, Life]] = []
    for number, (what, points, life, order_id) in enumerate(story, 1):
        entry = made_of(what, points, order_id, lots, posted)
        if entry is None:
            continue
        entry_id, at = id_of(number), AT + timedelta(hours=number)
        few = Lots(lots.spendable, needed(lots, entry) if touches_lots(entry) else ())
        uses = lots.apply(entry_id, entry, at, life)
        assert few.apply(entry_id, entry, at, life) == uses
        wallet = apply(wallet, entry)
        posted.append((entry_id, entry._replace(uses=uses), life))
        assert lots.spendable == wallet.spendable
        assert add_up(lots.open(), wallet.spendable)
        assert not add_up(lots.open(), max(wallet.spendable, 0) + 1)
        assert all(0 < share.points <= share.lot.points for share in lots.open())
        assert all(share.points > 0 for share in uses)
        assert sum(share.points for share in uses) <= abs(entry.points)
        assert few.changed == {key: lots.changed[key] for key in few.changed}
    # The ledger alone is enough to tell what is in which lot.
    again = Lots(0)
    for entry_id, entry, life in posted:
        at = AT + timedelta(hours=entry_id.int)
        assert again.apply(entry_id, entry, at, life) == entry.uses
    assert again.open() == lots.open()


def made_of(
    what: str, points: int, order_id: str, lots: Lots, posted: list[tuple[UUID, EntryDraft, Life]]
) -> EntryDraft | None:
    """The next entry of a story; None where there is nothing to do it to."""
    match what:
        case "credit":
            return draft(points, order_id=order_id)
        case "pending":
            return draft(points, order_id=order_id, pending=True)
        case "zero":
            return draft(0, order_id=order_id)
        case "debit":
            return draft(-points, kind=EntryKind.REDEEM)
        case "claw":
            return draft(-points, order_id=order_id, kind=EntryKind.REFUND)
        case "expire" if found := lots.open():
            return expiry_entry(found[points % len(found)], len(posted))
        case "give":
            # As a recount does with what was taken back from an order.
            back = [each for _, each, _ in posted if each.kind is EntryKind.REFUND]
            taken = [share for each in back if each.points < 0 for share in each.uses]
            given = [share for each in back if each.points > 0 for share in each.uses]
            return draft(points, uses=still_out(taken, given), kind=EntryKind.REFUND)
        case "undo":
            undone = {each.undoes for _, each, _ in posted}
            free = [
                (key, each)
                for key, each, _ in posted
                if key not in undone and each.kind is not EntryKind.REFUND
            ]
            if free:
                key, each = free[points % len(free)]
                return undoing(draft(-each.points, undoes=key, pending=each.pending), each)
    return None


def needed(lots: Lots, entry: EntryDraft) -> list[Share]:
    """What of a wallet's lots a store has to load for one entry."""
    found, points = [], 0
    for share in lots.open():
        if (
            points < -entry.points
            or share.lot.lot_id in named_lots(entry)
            or (entry.order_id and share.lot.order_id == entry.order_id)
        ):
            found.append(share)
        points += share.points
    return found
