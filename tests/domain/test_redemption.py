"""Redemptions as rules: whatever happens, the points are taken or they are not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import LoyaltyError
from domain.points import redemption as steps
from domain.points.benefits import (
    AmountOff,
    Benefit,
    FreeProduct,
    FreeShipping,
    GiftCard,
    PercentOff,
    StoreCredit,
    from_stored,
    to_stored,
)
from domain.points.codes import ENTROPY_BYTES, code_from, gift_card_code, is_prefix, maybe_ours
from domain.points.orders import OrderFacts, RefundFacts
from domain.points.redemption import (
    GIVE_UP,
    TRANSITIONS,
    Moved,
    NewRedemption,
    NotCancellable,
    Redemption,
    RedemptionState,
    went_back,
)
from domain.points.rewards import (
    Reward,
    RewardKind,
    RewardTerms,
    Tally,
    WhyNot,
    bought,
    problems_of,
    refusal,
    why_not,
)

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
S = RedemptionState
TERMS = RewardTerms(name="5 off", kind=RewardKind.DISCOUNT, cost=500, amount=Decimal(5), stock=9)
NEW = NewRedemption(UUID(int=5), UUID(int=6), "77", "sealed", "digest")


def reward(terms: RewardTerms = TERMS) -> Reward:
    return Reward(UUID(int=1), UUID(int=2), 1, terms, False, 0, AT, AT)


def reserved(terms: RewardTerms = TERMS) -> Moved:
    return steps.reserve(reward(terms), bought(terms, None, "USD"), NEW, AT)


Step = Callable[[Redemption, datetime], Moved | None]
MINUTE = timedelta(minutes=1)
STEPS: dict[str, Step] = {
    "ask": lambda r, now: steps.ask(r, now, MINUTE),
    "complete": lambda r, now: steps.complete(r, "gid://1", now),
    "refuse": lambda r, _: steps.refuse(r, "no"),
    "try later": steps.try_later,
    "not reached": lambda r, now: steps.not_reached(r, now, first=True),
    "not reached again": lambda r, now: steps.not_reached(r, now, first=False),
    "ask again": steps.ask_again,
    "cancel": lambda r, now: steps.cancel(r, now, by_member=False),
    "give up": lambda r, now: steps.cancel(r, now, by_member=True),
    "run out": steps.run_out,
    "worthless": lambda r, _: steps.withdrawn(r, worthless=True),
    "not worthless": lambda r, _: steps.withdrawn(r, worthless=False),
    "use": lambda r, now: steps.use(r, "o1", UUID(int=int(now.timestamp()))),
    "use elsewhere": lambda r, now: steps.use(r, "o2", UUID(int=int(now.timestamp()))),
    "give back": lambda r, now: steps.give_back(r, r.order_id, now),
    "give another back": lambda r, now: steps.give_back(r, "o3", now),
}


def taken_by(step: Step, redemption: Redemption, now: datetime) -> Moved | None:
    try:
        return step(redemption, now)
    except NotCancellable:
        return None


@given(
    st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 40))),
    st.booleans(),
    st.booleans(),
)
def test_whatever_happens_the_points_are_taken_or_they_are_not(
    happens: list[tuple[str, int]], returns: bool, may_cancel: bool
) -> None:
    terms = replace(TERMS, returns_on_expiry=returns, member_may_cancel=may_cancel)
    moved = reserved(terms)
    redemption, entries, now = moved.redemption, list(moved.entries), AT
    stock_back = 0
    for name, hours in happens:
        now += timedelta(hours=hours, seconds=1)
        next_ = taken_by(STEPS[name], redemption, now)
        if next_ is None:
            continue
        after = next_.redemption
        assert after.state is redemption.state or after.state in TRANSITIONS[redemption.state]
        redemption = after
        entries += next_.entries
        stock_back += next_.stock_back
        assert sum(entry.points for entry in entries) == (-500 if redemption.taken else 0)
        assert len({entry.key for entry in entries}) == len(entries)
    assert stock_back <= 1
    undone = [entry.undoes for entry in entries if entry.undoes is not None]
    assert len(set(undone)) == len(undone)
    over = {S.RELEASED, S.CANCELLED, S.RETURNED}
    assert redemption.taken == (
        redemption.state not in over and (redemption.state is not S.EXPIRED or redemption.taken)
    )
    if redemption.state is S.EXPIRED:
        assert redemption.taken or returns
    if redemption.state is S.USED:
        assert redemption.order_id


@pytest.mark.parametrize(("state", "name"), list(product(S, sorted(STEPS))))
def test_every_step_is_defined_in_every_state(state: S, name: str) -> None:
    """None is a fault of ours."""
    redemption = replace(reserved().redemption, state=state, member_may_cancel=True)
    moved = taken_by(STEPS[name], redemption, AT + MINUTE)
    assert moved is None or moved.redemption.state in {state, *TRANSITIONS[state]}


def test_every_state_can_be_reached_and_all_but_one_left() -> None:
    assert set(TRANSITIONS) == set(S)
    assert set().union(*TRANSITIONS.values()) == set(S)
    assert [state for state, to in TRANSITIONS.items() if not to] == [S.RETURNED]


def test_what_was_asked_for_too_long_is_in_doubt_unless_it_is_known_that_nothing_is_there() -> None:
    asked = steps.ask(reserved().redemption, AT, MINUTE)
    assert asked is not None
    late = AT + GIVE_UP
    doubtful = steps.try_later(asked.redemption, late)
    known = steps.not_reached(asked.redemption, late, first=True)
    unknown = steps.not_reached(asked.redemption, late, first=False)
    states = [each.redemption.state for each in (doubtful, known, unknown) if each]
    assert states == [S.IN_DOUBT, S.RELEASED, S.IN_DOUBT]
    credit = replace(asked.redemption, benefit=StoreCredit(Decimal(5), "USD"))
    never = steps.not_reached(credit, late, first=True)
    assert never is not None
    assert never.redemption.state is S.IN_DOUBT


def test_waiting_grows_and_ends() -> None:
    redemption = reserved().redemption
    waits = []
    now = AT
    for _ in range(12):
        asked = steps.ask(redemption, now, MINUTE)
        assert asked is not None
        later = steps.try_later(asked.redemption, now)
        assert later is not None
        assert later.redemption.due_at is not None
        waits.append(later.redemption.due_at - now)
        redemption = later.redemption
    assert waits == sorted(waits)
    assert waits[-1] == steps.LONGEST_WAIT
    over = replace(redemption, state=S.CANCELLED, due_at=now, tries=steps.MOST_TRIES)
    ended = steps.try_later(over, now)
    assert ended is not None
    assert ended.redemption.due_at is None


def facts(merchandise: str, **changes: object) -> OrderFacts:
    base = OrderFacts("o1", UUID(int=6), "USD", "paid", AT, AT, Decimal(merchandise))
    return replace(base, **changes)  # type: ignore[arg-type]  # by its name


def back(refund_id: str, amount: str, order_id: str = "o1") -> RefundFacts:
    return RefundFacts(refund_id, order_id, Decimal(amount), AT)


@pytest.mark.parametrize(
    ("order", "refunds", "whole"),
    [
        (facts("15"), [], False),
        (facts("15"), [back("r1", "7.50")], False),
        (facts("15"), [back("r1", "7.50"), back("r1", "7.50")], False),
        (facts("15"), [back("r1", "7.50"), back("r2", "7.50")], True),
        (facts("15"), [back("r1", "7.50"), back("r2", "7.50", "o2")], False),
        (facts("15", shipping=Decimal(5)), [back("r1", "15")], True),
        (facts("0"), [back("r1", "0")], False),
        (facts("15", cancelled_at=AT), [], True),
    ],
)
def test_what_counts_as_whole_is_the_merchandise(
    order: OrderFacts, refunds: list[RefundFacts], whole: bool
) -> None:
    assert went_back(order, refunds) is whole
    assert went_back(order, refunds[::-1]) is whole


@pytest.mark.parametrize(
    "benefit",
    [
        AmountOff(Decimal("5.10"), Decimal(20)),
        PercentOff(Decimal("12.5")),
        FreeShipping(Decimal("0.10")),
        FreeProduct("42"),
        StoreCredit(Decimal("3.333"), "KWD"),
        GiftCard(Decimal(1000)),
    ],
)
def test_benefits_are_stored_exactly(benefit: Benefit) -> None:
    assert from_stored(to_stored(benefit)) == benefit


@given(st.binary(min_size=ENTROPY_BYTES, max_size=ENTROPY_BYTES))
def test_codes_are_known_as_ours_in_any_case(entropy: bytes) -> None:
    code = code_from("VIP-2026-", entropy)
    assert maybe_ours(f" {code.lower()} ") == code
    assert code.endswith(gift_card_code(code)[-5:])
    assert len(gift_card_code(code)) == 20


def test_codes_hold_all_the_randomness_that_they_show() -> None:
    codes = {code_from("", (1 << bit).to_bytes(ENTROPY_BYTES)) for bit in range(100)}
    assert len(codes) == 100
    with pytest.raises(ValueError, match="bytes"):
        code_from("", bytes(ENTROPY_BYTES - 1))


@pytest.mark.parametrize(
    "code", ["", "WELCOME", "LOY-AAAAA-AAAAA-AAAAA", "LOY-0AAAA-AAAAA-AAAAA-AAAAA"]
)
def test_other_codes_are_not(code: str) -> None:
    assert maybe_ours(code) == ""


@pytest.mark.parametrize(
    ("prefix", "fine"),
    [("", True), ("LOY-", True), ("A-1-", True), ("LOY", False), ("loy-", False), ("-", False),
     ("ABCDEFGHIJK-", True), ("ABCDEFGHIJKL-", False)],
)  # fmt: skip
def test_prefixes(prefix: str, fine: bool) -> None:
    assert is_prefix(prefix) is fine


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({}, set()),
        ({"amount": Decimal("5.001")}, {"/amount"}),
        ({"amount": Decimal("NaN")}, {"/amount"}),
        ({"kind": RewardKind.FREE_SHIPPING}, {"/amount"}),
        ({"kind": RewardKind.PERCENTAGE, "amount": Decimal(0)}, {"/percent"}),
        ({"kind": RewardKind.FREE_PRODUCT, "amount": Decimal(0)}, {"/product_id"}),
        (
            {"kind": RewardKind.GIFT_CARD, "minimum_subtotal": Decimal(1)},
            {"/minimum_subtotal"},
        ),
        (
            {"kind": RewardKind.STORE_CREDIT, "returns_on_expiry": True, "member_may_cancel": True},
            {"/returns_on_expiry", "/member_may_cancel"},
        ),
        ({"kind": RewardKind.CHECKOUT_COUPON, "code_days": None}, {"/code_days"}),
        (
            {"kind": RewardKind.INCREMENTAL},
            {"/cost", "/step_points", "/min_points", "/max_points"},
        ),
        (
            {"kind": RewardKind.INCREMENTAL, "cost": 0, "step_points": 100, "min_points": 150,
             "max_points": 100},
            {"/min_points", "/max_points"},
        ),
        ({"per_window": 1}, {"/window_days"}),
        ({"starts_at": AT, "ends_at": AT}, {"/ends_at"}),
        ({"name": "a\nb", "cost": -1, "stock": 0}, {"/name", "/cost", "/stock"}),
    ],
)  # fmt: skip
def test_problems_of_a_reward(changes: dict[str, object], pointers: set[str]) -> None:
    found = problems_of(replace(TERMS, **changes), "USD")  # type: ignore[arg-type]  # by its name
    assert {each.pointer for each in found} == pointers


@given(st.integers(-10, 2_000))
def test_an_incremental_reward_takes_whole_steps_within_its_bounds(points: int) -> None:
    terms = replace(
        TERMS, kind=RewardKind.INCREMENTAL, cost=0, step_points=100, min_points=200,
        max_points=1_000, amount=Decimal("0.75"),
    )  # fmt: skip
    assert problems_of(terms, "USD") == []
    try:
        paid = bought(terms, points, "USD")
    except LoyaltyError:
        assert points % 100 or not 200 <= points <= 1_000
    else:
        assert paid.points == points
        assert paid.benefit == AmountOff(Decimal("0.75") * points / 100)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"enabled": False}, WhyNot.DISABLED),
        ({"starts_at": AT + MINUTE}, WhyNot.NOT_STARTED),
        ({"starts_at": AT, "ends_at": AT + MINUTE}, None),
        ({"ends_at": AT}, WhyNot.ENDED),
        ({"tiers": ("Silver", "Gold")}, None),
        ({"tiers": ("Platinum",)}, WhyNot.TIER),
        ({"per_member": 2}, WhyNot.LIMIT),
        ({"per_window": 1, "window_days": 7}, WhyNot.LIMIT),
        ({"per_member": 3, "per_window": 2, "window_days": 7}, None),
        ({"cost": 501}, WhyNot.POINTS),
    ],
)
def test_why_a_member_cannot_have_it(changes: dict[str, object], reason: WhyNot | None) -> None:
    terms = replace(TERMS, **changes)  # type: ignore[arg-type]  # by its name
    tally = Tally(total=2, within_window=1)
    assert why_not(reward(terms), AT, "Gold", tally, 500, terms.cost) is reason
    sold_out = replace(reward(replace(terms, stock=1)), taken=1)
    assert why_not(sold_out, AT, "Gold", tally, 500, terms.cost) is not None


def test_each_reason_has_an_error_by_code() -> None:
    codes = {reason: refusal(reason).code for reason in WhyNot}
    assert codes.pop(WhyNot.POINTS) == "INSUFFICIENT_POINTS"
    assert codes.pop(WhyNot.LIMIT) == "LIMIT_REACHED"
    assert set(codes.values()) == {"REWARD_UNAVAILABLE"}
