"""Access tokens: only ours, only whole, only in time, only for whom they are meant."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.tokens import jwt_tokens
from adapters.tokens.jwt_tokens import JwtIssuer, JwtVerifier
from adapters.tokens.keys import SigningKey, SigningKeys, load_signing_keys
from contracts.caller import Audience
from domain.errors import Unauthenticated
from ports.tokens import LIFETIME

MERCHANT = UUID(int=1)
CUSTOMER = UUID(int=2)
START = datetime(2026, 11, 20, 12, tzinfo=UTC)
OLD = SigningKey.of(b"o" * 32)
NEW = SigningKey.of(b"n" * 32)


class FixedClock:
    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def verifier(clock: FixedClock) -> JwtVerifier:
    return JwtVerifier(SigningKeys(NEW, OLD), clock)


def merchant_token(clock: FixedClock, key: SigningKey = NEW) -> str:
    issuer = JwtIssuer(SigningKeys(key), clock)
    return issuer.issue(Audience.MERCHANT, "staff:7", merchant_id=MERCHANT, role="owner").token


def claims(**changes: Any) -> dict[str, Any]:
    now = int(START.timestamp())
    good: dict[str, Any] = {
        "iss": "loyalnest",
        "aud": "merchant",
        "sub": "staff:7",
        "jti": "j",
        "iat": now,
        "nbf": now,
        "exp": now + 900,
        "merchant_id": str(MERCHANT),
        "customer_id": None,
        "role": "owner",
        "session_id": None,
        "impersonator": "",
    }
    return {**good, **changes}


def signed(payload: dict[str, Any], key: SigningKey = NEW, algorithm: str = "HS256") -> str:
    return jwt.encode(payload, key.secret, algorithm, headers={"kid": key.key_id})


def test_a_token_says_what_it_was_issued_for(clock: FixedClock, verifier: JwtVerifier):
    found = verifier.verify(merchant_token(clock), {Audience.MERCHANT})
    assert found.audience is Audience.MERCHANT
    assert (found.subject, found.role) == ("staff:7", "owner")
    assert (found.merchant_id, found.customer_id) == (MERCHANT, None)
    assert (found.issued_at, found.expires_at) == (START, START + LIFETIME)
    assert timedelta(minutes=15) == LIFETIME


def test_a_customer_token_names_the_customer_and_an_admin_token_needs_no_shop(
    clock: FixedClock, verifier: JwtVerifier
):
    issuer = JwtIssuer(SigningKeys(NEW), clock)
    token = issuer.issue(Audience.CUSTOMER, "c", merchant_id=MERCHANT, customer_id=CUSTOMER).token
    assert verifier.verify(token).customer_id == CUSTOMER
    admin = issuer.issue(Audience.ADMIN, "a", role="support").token
    assert verifier.verify(admin).merchant_id is None


def test_each_token_has_its_own_id(clock: FixedClock, verifier: JwtVerifier):
    ids = {verifier.verify(merchant_token(clock)).token_id for _ in range(3)}
    assert len(ids) == 3


@pytest.mark.parametrize(
    ("audience", "merchant", "customer"),
    [
        (Audience.MERCHANT, None, None),
        (Audience.MERCHANT, MERCHANT, CUSTOMER),
        (Audience.CUSTOMER, MERCHANT, None),
        (Audience.CUSTOMER, None, CUSTOMER),
        (Audience.ADMIN, None, CUSTOMER),
        (Audience.SERVICE, MERCHANT, None),
        (Audience.ANYONE, None, None),
    ],
)
def test_an_incomplete_token_is_neither_issued_nor_believed(
    clock: FixedClock,
    verifier: JwtVerifier,
    audience: Audience,
    merchant: UUID | None,
    customer: UUID | None,
):
    with pytest.raises(ValueError, match="needs more"):
        JwtIssuer(SigningKeys(NEW), clock).issue(
            audience, "x", merchant_id=merchant, customer_id=customer
        )
    forged = claims(
        aud=audience.value,
        merchant_id=merchant and str(merchant),
        customer_id=customer and str(customer),
    )
    with pytest.raises(Unauthenticated):
        verifier.verify(signed(forged))


@pytest.mark.parametrize("known_before", [True, False])
def test_a_token_dies_after_its_lifetime_and_the_leeway(
    clock: FixedClock, verifier: JwtVerifier, known_before: bool
):
    token = merchant_token(clock)
    if known_before:
        verifier.verify(token)
    clock.time = START + LIFETIME + timedelta(seconds=9)
    verifier.verify(token)
    clock.time = START + LIFETIME + timedelta(seconds=10)
    with pytest.raises(Unauthenticated, match="expired"):
        verifier.verify(token)
    with pytest.raises(Unauthenticated, match="expired"):
        verifier.verify(token)


def test_a_token_from_the_near_future_passes_and_one_from_the_far_future_does_not(
    clock: FixedClock, verifier: JwtVerifier
):
    token = merchant_token(clock)
    clock.time = START - timedelta(seconds=11)
    with pytest.raises(Unauthenticated, match="not valid yet"):
        verifier.verify(token)
    clock.time = START - timedelta(seconds=10)
    verifier.verify(token)


def test_both_active_keys_verify_and_a_retired_one_does_not(
    clock: FixedClock, verifier: JwtVerifier
):
    assert jwt.get_unverified_header(merchant_token(clock))["kid"] == NEW.key_id
    verifier.verify(merchant_token(clock, OLD))
    retired = SigningKey.of(b"r" * 32)
    with pytest.raises(Unauthenticated, match="no longer in use"):
        verifier.verify(merchant_token(clock, retired))
    impostor = SigningKey(NEW.key_id, retired.secret)
    with pytest.raises(Unauthenticated):
        verifier.verify(merchant_token(clock, impostor))


def test_a_known_token_is_still_refused_to_another_audience(
    clock: FixedClock, verifier: JwtVerifier
):
    token = merchant_token(clock)
    verifier.verify(token)
    for _ in range(2):
        with pytest.raises(Unauthenticated, match="somebody else"):
            verifier.verify(token, {Audience.CUSTOMER, Audience.ADMIN})


@pytest.mark.parametrize("name", list(claims()))
def test_every_claim_is_demanded(verifier: JwtVerifier, name: str):
    verifier.verify(signed(claims()))
    payload = claims()
    del payload[name]
    with pytest.raises(Unauthenticated):
        verifier.verify(signed(payload))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody"},
        {"aud": "loyalnest"},
        {"aud": ["merchant"]},
        {"sub": ""},
        {"jti": ""},
        {"exp": "tomorrow"},
        {"exp": int(START.timestamp()) + 86_400},
        {"exp": 10**30},
        {"merchant_id": "demo-store"},
        {"role": None},
    ],
)
def test_a_wrong_claim_is_refused(verifier: JwtVerifier, changes: dict[str, Any]):
    with pytest.raises(Unauthenticated):
        verifier.verify(signed(claims(**changes)))


@pytest.mark.parametrize("algorithm", ["HS384", "HS512", "none"])
def test_another_algorithm_is_refused(clock: FixedClock, algorithm: str):
    key = SigningKey.of(b"k" * 64)  # long enough for each of them
    verifier = JwtVerifier(SigningKeys(key), clock)
    verifier.verify(signed(claims(), key))
    if algorithm == "none":
        token = jwt.encode(claims(), "", "none", headers={"kid": key.key_id})
    else:
        token = signed(claims(), key, algorithm)
    with pytest.raises(Unauthenticated):
        verifier.verify(token)


@given(st.text(max_size=60))
def test_any_other_text_is_refused(text: str):
    verifier = JwtVerifier(SigningKeys(NEW), FixedClock())
    for token in (text, f"{text}.{text}.{text}", "x" * 3_000):
        with pytest.raises(Unauthenticated) as refusal:
            verifier.verify(token)
        assert len(text) < 4 or text not in refusal.value.detail


def test_an_altered_signature_is_refused(clock: FixedClock, verifier: JwtVerifier):
    head, body, signature = merchant_token(clock).split(".")
    other = claims(role="admin")
    with pytest.raises(Unauthenticated):
        verifier.verify(f"{head}.{signed(other).split('.')[1]}.{signature}")
    with pytest.raises(Unauthenticated):
        verifier.verify(f"{head}.{body}.")


def test_the_memory_of_known_tokens_is_bounded(
    clock: FixedClock, verifier: JwtVerifier, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(jwt_tokens, "_CACHED_TOKENS", 2)
    tokens = [merchant_token(clock) for _ in range(4)]
    for token in tokens * 2:
        verifier.verify(token)
    assert len(verifier._known) == 2


def test_key_files_hold_the_keys(tmp_path: Path):
    for name, key in (("current", NEW), ("previous", OLD)):
        (tmp_path / name).write_bytes(b64encode(key.secret))
        (tmp_path / name).chmod(0o600)
    assert load_signing_keys(tmp_path / "current") == SigningKeys(NEW)
    both = load_signing_keys(tmp_path / "current", tmp_path / "previous")
    assert both == SigningKeys(NEW, OLD)
    assert NEW.secret.hex() not in repr(both)
    assert repr(NEW.secret) not in repr(both)
