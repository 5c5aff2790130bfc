"""Undoing entries by hand: once undone, no webhook does it again."""

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.points.ledger import EntryDraft, EntryKind, Source, due_entries
from domain.points.orders import OrderFacts, RefundFacts
from domain.points.reversal import NotReversible, reversal
from domain.program import ProgramSettings
from tests.domain.shop import USD, net, order, refund

AN_ID = UUID(int=1)
PENDING = replace(USD, pending_days=14)


class Told:
    """An order's ledger, settled after everything that happens."""

    def __init__(self, amount: int = 100, program: ProgramSettings = USD) -> None:
        self.program = program
        self.facts: OrderFacts = order(Decimal(amount), financial_status="paid")
        self.refunds: list[RefundFacts] = []
        self.ledger: list[EntryDraft] = []
        self.settle()

    def settle(self) -> None:
        self.ledger += due_entries(self.facts, self.refunds, self.ledger, self.program)
        assert due_entries(self.facts, self.refunds, self.ledger, self.program) == []

    def refund(self, amount: int) -> None:
        self.refunds.append(refund(f"r{len(self.refunds)}", Decimal(amount)))
        self.settle()

    def edit(self, amount: int) -> None:
        self.facts = replace(self.facts, merchandise=Decimal(amount))
        self.settle()

    def cancel(self) -> None:
        self.facts = replace(self.facts, cancelled_at=self.facts.created_at)
        self.settle()

    def undo(self, source: Source) -> None:
        """The first entry from there that can be undone and was not."""
        undone = {each.source_ref for each in self.ledger if each.source == Source.REVERSAL}
        for number, entry in enumerate(self.ledger, 1):
            entry_id = UUID(int=number)
            if entry.source == source and str(entry_id) not in undone:
                try:
                    self.ledger.append(reversal(entry_id, entry, "by hand", self.ledger))
                except NotReversible:
                    continue
                self.settle()
                return


def test_what_was_undone_is_not_earned_again_by_the_next_webhook() -> None:
    told = Told()
    told.undo(Source.ORDER)
    assert net(told.ledger) == 0
    told.settle()
    told.edit(300)
    assert net(told.ledger) == 0


def test_a_refund_does_not_take_what_was_undone_again() -> None:
    told = Told()
    told.undo(Source.ORDER)
    told.refund(40)
    told.cancel()
    assert net(told.ledger) == 0
    assert len(told.ledger) == 2 or all(each.points == 0 for each in told.ledger[2:])


def test_undoing_what_a_refund_has_taken_part_of_ends_at_nothing() -> None:
    told = Told()
    told.refund(30)
    assert net(told.ledger) == 70
    told.undo(Source.ORDER)
    assert net(told.ledger) == 0


def test_a_claw_back_that_was_undone_stays_undone() -> None:
    told = Told()
    told.refund(30)
    told.undo(Source.REFUND)
    assert net(told.ledger) == 100
    told.refund(20)
    assert net(told.ledger) == 80
    told.cancel()
    assert net(told.ledger) == 30


@example(
    what=[("edit", 102), ("edit", 1), ("undo", Source.EDIT), ("edit", 1), ("edit", 1)],
    cancels=False,
    program=USD,
)
@given(
    what=st.lists(
        st.one_of(
            st.tuples(st.just("edit"), st.integers(1, 300)),
            st.tuples(st.just("refund"), st.integers(1, 60)),
            st.tuples(st.just("undo"), st.sampled_from((Source.REFUND, Source.EDIT))),
        ),
        max_size=6,
    ),
    cancels=st.booleans(),
    program=st.sampled_from((USD, PENDING)),
)
def test_an_order_whose_earning_was_undone_ends_at_what_was_given_on_purpose(
    what: list[tuple[str, int | Source]], cancels: bool, program: ProgramSettings
) -> None:
    """Whatever came before and comes after: it holds what undone claw-backs were to leave, which is
    not less than nothing and not more than these."""
    told = Told(program=program)
    for how, value in what[::2]:
        getattr(told, how)(value)
    told.undo(Source.ORDER)
    for how, value in what[1::2]:
        getattr(told, how)(value)
    if cancels:
        told.cancel()
    left_on_purpose = sum(
        each.points
        for each in told.ledger
        if each.source == Source.REVERSAL and each.line == Source.REFUND
    )
    assert 0 <= net(told.ledger) <= left_on_purpose
    if not left_on_purpose:
        assert sum(each.points for each in told.ledger if each.pending) == 0


def test_the_entry_that_undoes_says_what_it_undoes() -> None:
    (earn,) = Told(program=PENDING).ledger
    undoing = reversal(AN_ID, earn, "a mistake")
    assert (undoing.kind, undoing.reverses) == (EntryKind.REVERSAL, EntryKind.EARN)
    assert (undoing.points, undoing.pending, undoing.undoes) == (-100, True, AN_ID)
    assert undoing.key == ("reversal", str(AN_ID), earn.rule, "order")
    released = earn._replace(source=Source.RELEASE)
    assert not reversal(AN_ID, earn, "a mistake", [earn, released]).pending


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": EntryKind.REVERSAL},
        {"undoes": AN_ID},
        {"source": Source.MERGE},
        {"source": Source.RELEASE},
        {"source": Source.REDEEM},
        {"source": Source.REDEMPTION},
        {"points": 0},
    ],
)
def test_what_cannot_be_undone(changes: dict[str, Any]) -> None:
    (earn,) = Told().ledger
    with pytest.raises(NotReversible) as refusal:
        reversal(AN_ID, earn._replace(**changes), "a mistake")
    assert refusal.value.detail != NotReversible.title
