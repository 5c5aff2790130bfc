"""The ledger converges: whatever arrives in whatever order, the net points are the same."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.money import CurrencyMismatch, Rounding
from domain.points.clawback import clawback_target
from domain.points.earning import purchase_points
from domain.points.ledger import (
    EntryDraft,
    EntryKind,
    MissingSnapshot,
    due_entries,
    release,
    signup_entry,
)
from domain.points.orders import OrderFacts
from domain.program import EarnOn, PurchaseRule, RefundPolicy, SignupRule, SpendRule
from tests.domain.shop import NOW, USD, net, order, refund, replay


def test_the_refund_vector():
    """15 for two items of $7.50 each; one goes back, then the other."""
    ledger = replay([order("15.00")])
    assert [(e.kind, e.points) for e in ledger] == [(EntryKind.EARN, 15)]
    ledger = replay([order("15.00"), refund("r1", "7.50"), refund("r2", "7.50")])
    assert [entry.points for entry in ledger] == [15, -7, -8]


def test_entries_say_where_they_come_from():
    facts = order("15.00", financial_status="paid")
    ledger = replay([facts, refund("r1", "5"), replace(facts, cancelled_at=NOW)])
    assert [entry.key for entry in ledger] == [
        ("order", "1001", "purchase", ""),
        ("refund", "r1", "purchase", ""),
        ("cancel", "1001", "purchase", ""),
    ]
    assert {entry.order_id for entry in ledger} == {"1001"}
    assert all(entry.snapshot for entry in ledger)
    assert [entry.points for entry in ledger] == [15, -5, -10]


def test_a_refund_before_its_order_takes_back_as_soon_as_the_order_comes():
    assert [e.points for e in replay([refund("r1", "15"), order("15.00")])] == [15, -15]


def test_an_order_cancelled_before_it_earned_leaves_no_trace():
    assert replay([order(cancelled_at=NOW), order(financial_status="paid", at=1)]) == []


def test_a_test_order_leaves_no_trace():
    assert replay([order(test=True), refund("r1", "5")]) == []


def test_earning_can_wait_for_the_payment():
    program = replace(USD, earn_on=EarnOn.PAID)
    assert replay([order()], program) == []
    assert net(replay([order(), order(at=1, financial_status="paid")], program)) == 15


def test_claw_back_uses_the_terms_of_the_day_not_todays():
    facts = order("15.00")
    ledger = due_entries(facts, [], [], USD)
    doubled = replace(
        USD,
        purchase=PurchaseRule(points_per_unit=Decimal(2)),
        spend=SpendRule(include_tax=True),
        version=2,
    )
    gone = replace(USD, purchase=PurchaseRule(enabled=False, id="other"), version=3)
    for today in (doubled, gone):
        assert due_entries(facts, [], ledger, today) == []
        assert net(due_entries(facts, [refund("r1", "15")], ledger, today)) == -15


def test_shipping_that_is_kept_does_not_hold_points_back():
    program = replace(USD, spend=SpendRule(include_shipping=True))
    facts = order("10.00", shipping=Decimal(5))
    assert [e.points for e in replay([facts, refund("r1", "10")], program)] == [15, -15]


def test_a_refund_told_twice_counts_once_and_other_orders_are_passed_over():
    other = refund("r9", "15", order_id="1002")
    ledger = replay([order("15.00"), refund("r1", "5"), refund("r1", "5"), other])
    assert net(ledger) == 10


def test_an_edited_order_posts_the_difference():
    ledger = replay([order("15.00"), order("20.00", at=1), order("8.00", at=2)])
    assert [(e.kind, e.points, e.line) for e in ledger] == [
        (EntryKind.EARN, 15, ""),
        (EntryKind.EARN, 5, "1"),
        (EntryKind.REVERSAL, -12, "2"),
    ]


def test_an_edit_recounts_the_share_of_earlier_refunds():
    """6.00 of 20.00 is 6 of 20 points, 6.00 of 10.01 only 5 of 10: one point comes back."""
    before, after, back = order("20.00"), order("10.01", at=1), refund("r1", "6.00")
    ledger = replay([before, back, after])
    assert [(e.source, e.points) for e in ledger] == [
        ("order", 20),
        ("refund", -6),
        ("recount", 1),
        ("edit", -10),
    ]
    assert net(ledger) == net(replay([after, back, before])) == 5


def test_what_comes_back_is_there_before_an_edit_takes_it():
    """Or the edit would be paid by other lots, and what comes back live as long as its own."""
    ledger = replay([order("1.50"), refund("r1", "2.00"), order("0.50", at=1)])
    assert [(e.source, e.points) for e in ledger] == [
        ("order", 1),
        ("refund", -1),
        ("recount", 1),
        ("edit", -1),
    ]


def test_a_cancelled_order_is_not_priced_again():
    cancelled = order("30.00", at=1, cancelled_at=NOW)
    ledger = replay([order("15.00"), cancelled, order("40.00", at=2)])
    assert [e.points for e in ledger] == [15, -15]
    ledger = due_entries(order("15.00"), [], [], USD)
    assert [e.points for e in due_entries(cancelled, [refund("r1", "30")], ledger, USD)] == [-15]


def test_pending_points_are_released_once_and_claw_backs_follow_them():
    program = replace(USD, pending_days=14)
    facts = order("15.00")
    ledger = replay([facts, refund("r1", "5")], program)
    assert [(e.points, e.pending) for e in ledger] == [(15, True), (-5, True)]
    freed = release("1001", ledger)
    assert [(e.points, e.pending) for e in freed] == [(-10, True), (10, False)]
    ledger += freed
    assert release("1001", ledger) == []
    later = due_entries(facts, [refund("r1", "5"), refund("r2", "10")], ledger, program)
    assert [(e.points, e.pending) for e in later] == [(-10, False)]


def test_only_pending_lets_spendable_points_go_and_says_so():
    program = replace(USD, refund_policy=RefundPolicy.ONLY_PENDING)
    ledger = replay([order("15.00"), refund("r1", "5")], program)
    assert [(e.points, e.waived) for e in ledger] == [(15, 0), (0, 5)]
    waiting = replace(program, pending_days=14)
    assert net(replay([order("15.00"), refund("r1", "15")], waiting)) == 0


def test_within_balance_never_goes_below_zero_and_never_asks_again():
    program = replace(USD, refund_policy=RefundPolicy.WITHIN_BALANCE)
    facts, ledger = order("15.00"), due_entries(order("15.00"), [], [], USD)
    back = [refund("r1", "15")]
    taken = due_entries(facts, back, ledger, program, spendable=4)
    assert [(e.points, e.waived) for e in taken] == [(-4, 11)]
    assert due_entries(facts, back, ledger + taken, program, spendable=500) == []


def test_a_foreign_currency_is_refused_and_a_lost_snapshot_is_noticed():
    with pytest.raises(CurrencyMismatch):
        due_entries(order(currency="EUR"), [], [], USD)
    lost = EntryDraft(EntryKind.EARN, 15, "purchase", "order", "1001", "purchase", order_id="1001")
    with pytest.raises(MissingSnapshot):
        due_entries(order(), [], [lost], USD)


def test_signing_up():
    entry = signup_entry(USD, "115310627314723954")
    assert entry is not None
    assert (entry.points, entry.key) == (200, ("signup", "115310627314723954", "signup", ""))
    assert signup_entry(replace(USD, signup=SignupRule(enabled=False)), "1") is None


cents = st.integers(0, 3000).map(lambda c: Decimal(c) / 100)
programs = st.builds(
    lambda rate, rounding, minimum, earn_on, tax, pending: replace(
        USD,
        purchase=PurchaseRule(points_per_unit=rate, rounding=rounding, minimum_spend=minimum),
        earn_on=earn_on,
        spend=SpendRule(include_tax=tax),
        pending_days=pending,
    ),
    st.decimals("0.1", 12, places=1),
    st.sampled_from(Rounding),
    st.sampled_from([Decimal(0), Decimal(10)]),
    st.sampled_from(EarnOn),
    st.booleans(),
    st.sampled_from([0, 14]),
)


@st.composite
def histories(draw):
    """All that happened to one order: placed, perhaps paid, edited, refunded, cancelled."""
    last = draw(st.integers(0, 3))
    snapshots: list[OrderFacts] = []
    paid = sent = cancelled = None
    for at in range(last + 1):
        paid = paid or draw(st.sampled_from([None, NOW]))
        sent = sent or draw(st.sampled_from([None, NOW]))
        cancelled = cancelled or draw(st.sampled_from([None, None, None, NOW]))
        changed = not snapshots or draw(st.booleans())
        snapshots.append(
            order(
                draw(cents) if changed else snapshots[-1].merchandise,
                at=at,
                tax=Decimal("1.70"),
                paid_at=paid,
                cancelled_at=cancelled,
                fulfilled_at=sent,
            )
        )
    refunds = [
        refund(f"r{n}", amount) for n, amount in enumerate(draw(st.lists(cents, max_size=4)))
    ]
    return snapshots, refunds


def oracle(snapshots, refunds, program) -> int:
    """The net points, straight from the words of the rules and the end of the story."""
    end = snapshots[-1]
    moment = {EarnOn.CREATED: NOW, EarnOn.PAID: end.paid_at, EarnOn.FULFILLED: end.fulfilled_at}
    if end.cancelled_at or not moment[program.earn_on]:
        return 0
    rule = program.purchase
    spend = end.merchandise + (end.tax if program.spend.include_tax else 0)
    if spend == 0 or spend < rule.minimum_spend:
        return 0
    earned = int((spend * rule.points_per_unit).quantize(Decimal(1), f"ROUND_{rule.rounding.name}"))
    returned = sum(r.merchandise for r in refunds)
    if end.merchandise == 0:
        return earned
    if returned >= end.merchandise:
        return 0
    return earned - int(earned * (returned * 100) / (end.merchandise * 100))


@settings(max_examples=300)
@given(histories(), programs, st.data())
def test_any_order_and_repetition_of_deliveries_converges(history, program, data):
    snapshots, refunds = history
    everything = snapshots + refunds
    repeats = data.draw(st.lists(st.sampled_from(everything), max_size=3))
    deliveries = data.draw(st.permutations(everything + repeats))
    assert net(replay(deliveries, program)) == oracle(snapshots, refunds, program)


@settings(max_examples=150)
@given(histories(), programs, st.integers(0, 40), st.data())
def test_under_any_policy_nobody_loses_more_than_was_earned(history, program, spendable, data):
    snapshots, refunds = history
    program = replace(program, refund_policy=data.draw(st.sampled_from(RefundPolicy)))
    deliveries = data.draw(st.permutations(snapshots + refunds))
    ledger = replay(deliveries, program, spendable=spendable)
    assert net(ledger) >= 0
    by_source: Counter[str] = Counter()
    for entry in ledger:
        by_source[entry.source] += entry.points - entry.waived
    assert sum(by_source.values()) == oracle(snapshots, refunds, program)


@given(st.integers(1, 5000), st.lists(st.integers(1, 2000), min_size=1, max_size=8), st.data())
def test_any_split_of_a_refund_takes_back_what_the_whole_would(rate, parts, data):
    whole = Decimal(sum(parts)) / 100
    program = replace(USD, purchase=PurchaseRule(points_per_unit=Decimal(rate) / 100))
    snapshot = purchase_points(program, order(whole)).snapshot
    steps, returned, taken = [], Decimal(0), 0
    for part in data.draw(st.permutations(parts)):
        returned += Decimal(part) / 100
        target = clawback_target(snapshot, returned)
        steps.append(target - taken)
        taken = target
    assert sum(steps) == snapshot.points
    assert min(steps) >= 0
