"""Merges end alike in whatever order and number they are told, and move every point once."""

from collections.abc import Sequence
from itertools import pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.merging import StandIn, ToldMerge, learn_merges, stands_for
from domain.points.ledger import EntryKind
from domain.points.merging import transfers
from domain.points.wallet import EMPTY, Wallet, apply

A, B, C, D = (UUID(int=each) for each in range(1, 5))
CUSTOMERS = [UUID(int=each) for each in range(1, 7)]
WISHES = st.lists(st.tuples(st.sampled_from(CUSTOMERS), st.sampled_from(CUSTOMERS)), max_size=8)
AMOUNTS = st.integers(-1_000, 1_000)


def happened(wishes: Sequence[tuple[UUID, UUID]]) -> tuple[dict[UUID, UUID], list[ToldMerge]]:
    """Who stands for whom after these merges (kept, merged), and what was told of them."""
    now = {each: each for each in CUSTOMERS}
    told: list[ToldMerge] = []
    for version, (kept, merged) in enumerate(wishes, 1):
        last = now[merged]
        found = stands_for(kept=kept, merged=merged, kept_now=now[kept], merged_now=last)
        if found is None:
            continue
        told += (
            ToldMerge(customer, found, version)
            for customer in CUSTOMERS
            if now[customer] == last and customer != found
        )
        now = {customer: found if each == last else each for customer, each in now.items()}
    return now, told


def believed(batches: Sequence[Sequence[ToldMerge]]) -> dict[UUID, StandIn]:
    known: dict[UUID, StandIn] = {}
    for batch in batches:
        known |= learn_merges(known, batch)
        for stand_in in known.values():
            assert stand_in.kept_id is None or known[stand_in.kept_id].kept_id is None
    return known


def test_one_who_is_kept_stands_for_the_other() -> None:
    assert stands_for(kept=A, merged=B, kept_now=A, merged_now=B) == A


def test_one_who_was_merged_stands_for_nobody() -> None:
    assert stands_for(kept=B, merged=C, kept_now=A, merged_now=C) == A


def test_the_same_merge_again_changes_nothing() -> None:
    assert stands_for(kept=A, merged=B, kept_now=A, merged_now=A) is None
    assert stands_for(kept=A, merged=A, kept_now=A, merged_now=A) is None
    assert stands_for(kept=B, merged=C, kept_now=A, merged_now=A) is None


def test_the_other_way_round_they_change_places() -> None:
    assert stands_for(kept=B, merged=A, kept_now=A, merged_now=A) == B


@given(WISHES)
def test_whoever_stands_for_somebody_stands_for_themselves(wishes: list[tuple[UUID, UUID]]) -> None:
    now, _ = happened(wishes)
    assert all(now[each] == each for each in now.values())


@given(WISHES, st.data())
def test_any_order_and_number_of_the_news_ends_alike(
    wishes: list[tuple[UUID, UUID]], data: st.DataObject
) -> None:
    now, told = happened(wishes)
    shuffled = data.draw(st.permutations(told + told[: len(told) // 2]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(shuffled)), max_size=4)))
    ends = [0, *cuts, len(shuffled)]
    batches = [shuffled[a:b] for a, b in pairwise(ends)]
    known = believed(batches)
    for customer in CUSTOMERS:
        stand_in = known.get(customer, StandIn()).kept_id
        assert (stand_in or customer) == now[customer]


def test_what_changed_is_all_that_is_answered() -> None:
    known = believed([[ToldMerge(A, B, 1)]])
    assert known == {A: StandIn(B, 1), B: StandIn(None, 1)}
    assert learn_merges(known, [ToldMerge(A, B, 1)]) == {}
    assert learn_merges(known, [ToldMerge(B, C, 2)]) == {
        A: StandIn(C, 1),
        B: StandIn(C, 2),
        C: StandIn(None, 2),
    }


@given(AMOUNTS, AMOUNTS, st.integers(0, 10), st.integers(0, 10), AMOUNTS, AMOUNTS)
def test_points_are_moved_and_none_is_made_or_lost(
    spendable: int, pending: int, spent: int, expired: int, more: int, more_pending: int
) -> None:
    merged, kept = Wallet(spendable, pending, spent, expired), Wallet(more, more_pending)
    left, got = merged, kept
    for transfer in transfers(A, merged, 3):
        assert transfer.taken.points + transfer.given.points == 0
        assert transfer.taken.kind == transfer.given.kind == EntryKind.TRANSFER
        left, got = apply(left, transfer.taken), apply(got, transfer.given)
    assert left == Wallet(0, 0, spent, expired)
    assert got == Wallet(spendable + more, pending + more_pending)
    assert transfers(A, left, 4) == []


def test_each_emptying_has_entries_of_its_own() -> None:
    wallet = Wallet(spendable=5, pending=7)
    keys = [
        half.key
        for version in (1, 3)
        for transfer in transfers(A, wallet, version)
        for half in transfer
    ]
    assert len(set(keys)) == len(keys) == 8
    assert transfers(D, EMPTY, 1) == []


TOLD = st.builds(
    ToldMerge, st.sampled_from(CUSTOMERS), st.sampled_from(CUSTOMERS), st.integers(-1, 3)
)


def test_who_is_merged_into_themselves_stands_for_nobody_else() -> None:
    assert learn_merges({}, [ToldMerge(A, A, 1)]) == {}
    assert learn_merges({A: StandIn(B, 1)}, [ToldMerge(A, A, 2)]) == {}


@given(st.lists(st.lists(TOLD, max_size=4), max_size=4))
def test_whatever_is_told_of_merges_is_followed_to_an_end(
    batches: Sequence[Sequence[ToldMerge]],
) -> None:
    known = believed(batches)
    kept = [each.kept_id for each in known.values() if each.kept_id is not None]
    assert all(known.get(each, StandIn()).kept_id is None for each in kept)
