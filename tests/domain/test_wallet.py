"""The wallet adds up its entries and bounds what a person may adjust."""

from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.points.ledger import EntryDraft, EntryKind
from domain.points.wallet import (
    EMPTY,
    MAX_ADJUSTMENT,
    InsufficientPoints,
    InvalidPoints,
    Wallet,
    adjustment,
    apply,
)


def entry(kind, points, *, pending=False, reverses=None):
    return EntryDraft(kind, points, "", "x", "1", "", pending=pending, reverses=reverses)


def after(*entries):
    return reduce(apply, entries, EMPTY)


def test_the_voucher_vector_returns_to_a_thousand():
    wallet = after(
        entry(EntryKind.IMPORT, 1000),
        entry(EntryKind.REDEEM, -500),
        entry(EntryKind.EARN, 15),
        entry(EntryKind.REFUND, -7),
    )
    assert (wallet.spendable, wallet.spent) == (508, 500)
    wallet = apply(wallet, entry(EntryKind.REFUND, -8))
    wallet = apply(wallet, entry(EntryKind.REVERSAL, 500, reverses=EntryKind.REDEEM))
    assert wallet == Wallet(spendable=1000)
    assert wallet.lifetime == 1000


def test_spending_and_expiry_keep_lifetime_and_claw_backs_lower_it():
    wallet = after(
        entry(EntryKind.EARN, 100),
        entry(EntryKind.EARN, 50, pending=True),
        entry(EntryKind.REDEEM, -40),
        entry(EntryKind.EXPIRE, -10),
    )
    assert wallet == Wallet(spendable=50, pending=50, spent=40, expired=10)
    assert (wallet.total, wallet.lifetime) == (100, 150)
    assert apply(wallet, entry(EntryKind.REFUND, -60)).spendable == -10
    assert apply(wallet, entry(EntryKind.REFUND, -60)).lifetime == 90


def test_a_reversed_expiry_gives_the_points_back():
    wallet = after(
        entry(EntryKind.EARN, 100),
        entry(EntryKind.EXPIRE, -100),
        entry(EntryKind.REVERSAL, 100, reverses=EntryKind.EXPIRE),
    )
    assert wallet == Wallet(spendable=100)


@given(
    st.lists(
        st.builds(
            entry,
            st.sampled_from(EntryKind),
            st.integers(-1000, 1000),
            pending=st.booleans(),
            reverses=st.none() | st.sampled_from([EntryKind.REDEEM, EntryKind.EXPIRE]),
        )
    )
)
def test_points_are_conserved(entries):
    wallet = after(*entries)
    assert wallet.total == sum(e.points for e in entries)
    kept = sum(
        e.points
        for e in entries
        if (e.reverses or e.kind) not in (EntryKind.REDEEM, EntryKind.EXPIRE)
    )
    assert wallet.lifetime == kept


def test_an_adjustment_by_hand():
    wallet = Wallet(spendable=10)
    assert apply(wallet, adjustment(wallet, -10, "goodwill", "k1")).spendable == 0
    assert adjustment(EMPTY, MAX_ADJUSTMENT, "gift", "k2").key == ("adjust", "k2", "", "")
    with pytest.raises(InsufficientPoints):
        adjustment(wallet, -11, "oops", "k3")
    wrongs: list[Any] = [0, MAX_ADJUSTMENT + 1, -MAX_ADJUSTMENT - 1, True, 1.0]
    for wrong in wrongs:
        with pytest.raises(InvalidPoints):
            adjustment(wallet, wrong, "oops", "k4")
