"""Signatures of callers: what they are over, how long they hold, and how secrets are replaced."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.nats.vouching import VALID_SECONDS, Vouching
from domain.errors import NotVouchedFor

WORDS = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)
CALLS = st.tuples(WORDS, WORDS, WORDS.map(str.strip), st.binary(max_size=40))
ONE, OTHER = b"the first secret", b"the second one"


class Clock:
    def __init__(self) -> None:
        self.at = 1_000_000.0

    def __call__(self) -> float:
        return self.at


def holds(vouching: Vouching, signature: str, call: tuple[str, str, str, bytes]) -> bool:
    try:
        vouching.check(signature, *call)
    except NotVouchedFor:
        return False
    return True


@given(CALLS, CALLS)
def test_a_signature_is_for_one_call(call, another) -> None:
    vouching = Vouching([ONE], Clock())
    signature = vouching.sign(*call)
    assert holds(vouching, signature, call)
    assert holds(vouching, signature, another) == (call == another)


@given(st.text(max_size=90), CALLS)
def test_what_is_no_signature_is_refused(rubbish, call) -> None:
    clock = Clock()
    good = Vouching([ONE], clock).sign(*call)
    for each in (rubbish, f"{rubbish}.{rubbish}", f"9{good}", good[:-1], good + "0", good.upper()):
        assert not holds(Vouching([ONE], clock), each, call)


def test_a_signature_holds_for_half_a_minute() -> None:
    clock = Clock()
    vouching = Vouching([ONE], clock)
    call = ("rpc.a", "{}", "", b"{}")
    signature = vouching.sign(*call)
    clock.at += VALID_SECONDS
    vouching.check(signature, *call)
    clock.at += 1
    with pytest.raises(NotVouchedFor, match="too long ago"):
        vouching.check(signature, *call)


def test_a_secret_is_replaced_while_processes_are_started_anew_one_by_one() -> None:
    """First all get the new one beside the old one, then the old one is taken away."""
    call = ("rpc.a", "{}", "", b"{}")
    before, during, after = Vouching([ONE]), Vouching([OTHER, ONE]), Vouching([OTHER])
    for steps in ((before, during), (during, after)):
        for one in steps:
            for other in steps:
                other.check(one.sign(*call), *call)
    assert not holds(after, before.sign(*call), call)
    assert not holds(before, after.sign(*call), call)


def test_without_a_secret_nothing_starts() -> None:
    with pytest.raises(ValueError, match="secret"):
        Vouching([])
