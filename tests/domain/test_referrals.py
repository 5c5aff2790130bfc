"""Referrals: from the link to both rewards, and every way to be told no."""

from dataclasses import fields, replace
from datetime import timedelta
from decimal import Decimal
from typing import get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.program import ReferralSettings
from domain.referrals import machine
from domain.referrals.codes import ALPHABET, ENTROPY_BYTES, LENGTH, code_from, parse_code
from domain.referrals.errors import CorruptReferral, InvalidReferralCode
from domain.referrals.machine import Moved, Rejected
from domain.referrals.states import Referral, from_stored, state_name, to_stored
from tests.domain.shop import NOW

RULES = ReferralSettings(advocate_points=100, friend_points=50, minimum_spend=Decimal(20))
ADVOCATE, FRIEND = UUID(int=1), UUID(int=2)
LATE = NOW + timedelta(days=30)


def moved(answer):
    """Where a move led."""
    assert isinstance(answer, Moved)
    return answer.referral


def created():
    return moved(machine.create(UUID(int=9), ADVOCATE, "ABCDEFGH23", RULES, NOW))


def claimed():
    return moved(machine.claim(created(), FRIEND, NOW))


def qualify(referral, rules=RULES, at=NOW, spend="20", first_order=True):
    return machine.qualify(
        referral, rules, order_id="1001", spend=Decimal(spend), first_order=first_order, at=at
    )


def pending():
    return moved(qualify(claimed()))


def test_the_whole_way():
    clicked = moved(machine.click(created(), NOW))
    taken = moved(machine.claim(clicked, FRIEND, NOW))
    done = machine.complete(moved(qualify(taken)), RULES, LATE)
    assert state_name(done.referral) == "completed"
    assert (done.event.advocate_points, done.event.friend_points) == (100, 50)
    assert (done.event.advocate_id, done.event.friend_id) == (ADVOCATE, FRIEND)


@pytest.mark.parametrize(
    ("attempt", "code"),
    [
        (lambda: machine.click(created(), LATE), "REFERRAL_EXPIRED"),
        (lambda: machine.claim(created(), ADVOCATE, NOW), "SELF_REFERRAL"),
        (lambda: machine.claim(created(), FRIEND, LATE), "REFERRAL_EXPIRED"),
        (
            lambda: machine.claim(created(), FRIEND, NOW, already_referred=True),
            "DUPLICATE_REFERRAL",
        ),
        (lambda: machine.claimable(claimed()), "DUPLICATE_REFERRAL"),
        (lambda: machine.claimable(moved(machine.expire(created(), LATE))), "REFERRAL_EXPIRED"),
        (lambda: qualify(claimed(), at=LATE), "REFERRAL_EXPIRED"),
        (lambda: qualify(claimed(), first_order=False), "NOT_FIRST_ORDER"),
        (lambda: qualify(claimed(), spend="19.99"), "BELOW_MINIMUM_SPEND"),
    ],
)
def test_rejections(attempt, code):
    answer = attempt()
    assert isinstance(answer, Rejected)
    assert answer.code == code


def test_old_customers_count_when_the_merchant_says_so():
    rules = replace(RULES, new_customers_only=False)
    assert isinstance(qualify(claimed(), rules, first_order=False), Moved)


def test_an_unclaimed_referral_is_claimable():
    assert machine.claimable(created()) == created()


def test_cancelling_reverses_only_what_was_given():
    assert not machine.cancel(pending(), NOW).event.reverse_rewards
    completed = moved(machine.complete(pending(), RULES, NOW))
    assert machine.cancel(completed, LATE).event.reverse_rewards


def test_nothing_expires_early():
    assert machine.expire(claimed(), LATE - timedelta(microseconds=1)) is None
    assert state_name(moved(machine.expire(claimed(), LATE))) == "expired"


def test_a_blocked_referral_can_be_released_to_what_it_was():
    blocked = machine.block(claimed(), "same_device", NOW)
    assert blocked.event.reason == "same_device"
    assert moved(machine.unblock(blocked.referral, NOW)) == claimed()


def every_state():
    completed = moved(machine.complete(pending(), RULES, NOW))
    return [
        created(),
        moved(machine.click(created(), NOW)),
        claimed(),
        pending(),
        completed,
        moved(machine.expire(created(), LATE)),
        moved(machine.cancel(completed, NOW)),
        moved(machine.block(claimed(), "same_name", NOW)),
    ]


def test_every_state_survives_the_store():
    assert {type(state) for state in every_state()} == set(get_args(Referral))
    columns = {field.name for kind in get_args(Referral) for field in fields(kind)}
    for state in every_state():
        row = dict.fromkeys(columns) | to_stored(state)
        assert from_stored(state_name(state), row) == state


def test_a_damaged_row_is_noticed():
    with pytest.raises(CorruptReferral):
        from_stored("invented", {})
    with pytest.raises(CorruptReferral):
        from_stored("claimed", to_stored(created()))


@given(st.binary(min_size=ENTROPY_BYTES, max_size=16))
def test_codes_are_readable_and_parse_back(entropy):
    code = code_from(entropy)
    assert len(code) == LENGTH
    assert not set(code) & set("01IO")
    assert parse_code(f" {code[:5].lower()}-{code[5:]} ") == code


def test_codes_use_all_their_bits_and_need_enough():
    assert code_from(bytes(7)) == ALPHABET[0] * LENGTH
    assert code_from(b"\xff" * 7) == ALPHABET[-1] * LENGTH
    with pytest.raises(ValueError, match="random bytes"):
        code_from(bytes(6))


@pytest.mark.parametrize("typed", ["", "ABC", "ABCDEFGH2O", "ABCDEFGH234", "ABCDEFGHÄ3"])
def test_what_is_no_code_is_refused(typed):
    with pytest.raises(InvalidReferralCode):
        parse_code(typed)
