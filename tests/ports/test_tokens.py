"""Access tokens: only ours, only whole, only in time, only for whom they are meant."""

import hmac
import json
from base64 import b64encode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.crypto.keyfile import BadKeyFile
from adapters.tokens import jwt_tokens
from adapters.tokens.jwt_tokens import JwtIssuer, JwtVerifier
from adapters.tokens.keys import (
    RECHECK_SECONDS,
    KeyRing,
    SigningKey,
    SigningKeys,
    load_signing_keys,
    read_keys,
    write_keys,
)
from contracts.caller import Audience
from domain.errors import Unauthenticated
from infra.cli.main import main
from ports.tokens import LEEWAY, LIFETIME

MERCHANT = UUID(int=1)
CUSTOMER = UUID(int=2)
START = datetime(2026, 11, 20, 12, tzinfo=UTC)
OLD = SigningKey.of(b"o" * 32)
NEW = SigningKey.of(b"n" * 32, START - timedelta(minutes=1))
NEXT = SigningKey.of(b"x" * 32, START + timedelta(minutes=1))
BOTH = SigningKeys.of(OLD, NEW)
HEADER = {"alg": "HS256", "kid": NEW.key_id}


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
    return JwtVerifier(BOTH, clock)


def merchant_token(clock: FixedClock, key: SigningKey = NEW) -> str:
    issuer = JwtIssuer(SigningKeys.of(key), clock)
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


def crafted(header: object, payload: object, key: SigningKey = NEW) -> str:
    """Signed whatever is in it, where a library would refuse."""
    parts = [
        urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=") for each in (header, payload)
    ]
    digest = hmac.digest(key.secret, b".".join(parts), "sha256")
    return b".".join([*parts, urlsafe_b64encode(digest).rstrip(b"=")]).decode()


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
    issuer = JwtIssuer(SigningKeys.of(NEW), clock)
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
        JwtIssuer(SigningKeys.of(NEW), clock).issue(
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


def test_both_active_keys_verify_and_an_unknown_one_does_not(
    clock: FixedClock, verifier: JwtVerifier
):
    assert jwt.get_unverified_header(merchant_token(clock))["kid"] == NEW.key_id
    verifier.verify(merchant_token(clock, OLD))
    unknown = SigningKey.of(b"r" * 32)
    with pytest.raises(Unauthenticated, match="no longer in use"):
        verifier.verify(merchant_token(clock, unknown))
    impostor = SigningKey(NEW.key_id, unknown.secret)
    with pytest.raises(Unauthenticated):
        verifier.verify(merchant_token(clock, impostor))


def test_a_rotation_disturbs_no_token_and_ends_the_old_key(clock: FixedClock):
    """From a minute before the new key begins until the old one is retired, second by second."""
    keys = SigningKeys.of(OLD, NEXT)
    issuer, verifier = JwtIssuer(keys, clock), JwtVerifier(keys, clock)
    retired_at = NEXT.begins_at + LIFETIME + 2 * LEEWAY
    alive: list[tuple[datetime, str]] = []
    while clock.time < retired_at:
        signing = OLD if clock.time < NEXT.begins_at else NEXT
        issued = issuer.issue(Audience.ADMIN, "a")
        assert jwt.get_unverified_header(issued.token)["kid"] == signing.key_id
        alive = [each for each in alive if each[0] > clock.time] + [issued[::-1]]
        for _, token in alive:
            verifier.verify(token)
        clock.time += timedelta(seconds=41)
    clock.time = NEXT.begins_at
    stubborn = JwtIssuer(SigningKeys.of(OLD), clock)  # one that has not heard of it
    late, latest = stubborn.issue(Audience.ADMIN, "a").token, ""
    verifier.verify(late)
    clock.time = retired_at - timedelta(milliseconds=1)
    latest = stubborn.issue(Audience.ADMIN, "a").token
    verifier.verify(latest)
    clock.time = retired_at
    for token in (late, latest, stubborn.issue(Audience.ADMIN, "a").token):
        with pytest.raises(Unauthenticated):
            verifier.verify(token)
    verifier.verify(issuer.issue(Audience.ADMIN, "a").token)


def test_a_key_that_is_taken_away_stops_at_once_for_known_tokens_too(
    clock: FixedClock, tmp_path: Path
):
    path, seconds = ring(tmp_path, BOTH), [0.0]
    verifier = JwtVerifier(KeyRing(path, lambda: seconds[0]), clock)
    old, new = merchant_token(clock, OLD), merchant_token(clock, NEW)
    for token in (old, new):
        verifier.verify(token)
    write_keys(path, SigningKeys.of(NEW))
    seconds[0] = RECHECK_SECONDS
    with pytest.raises(Unauthenticated, match="no longer in use"):
        verifier.verify(old)
    verifier.verify(new)


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
    verifier = JwtVerifier(SigningKeys.of(key), clock)
    verifier.verify(signed(claims(), key))
    if algorithm == "none":
        token = jwt.encode(claims(), "", "none", headers={"kid": key.key_id})
    else:
        token = signed(claims(), key, algorithm)
    with pytest.raises(Unauthenticated):
        verifier.verify(token)


@given(st.text(max_size=60))
def test_any_other_text_is_refused(text: str):
    verifier = JwtVerifier(SigningKeys.of(NEW), FixedClock())
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


def ring(folder: Path, keys: SigningKeys) -> Path:
    """A file with these keys."""
    path = folder / "keys"
    path.touch(0o600)
    write_keys(path, keys)
    return path


def test_a_key_ring_is_read_as_it_was_written(tmp_path: Path):
    keys = SigningKeys.of(OLD, NEW, NEXT)
    path = ring(tmp_path, keys)
    assert read_keys(path) == load_signing_keys(path).known() == keys
    before = path.stat().st_ino
    write_keys(path, SigningKeys.of(NEW))
    assert read_keys(path) == SigningKeys.of(NEW)
    assert path.stat().st_ino == before  # a container that has it mounted sees it change
    for secret in (NEW.secret.hex(), repr(NEW.secret)):
        assert secret not in repr(keys)


def test_one_key_without_a_time_is_a_ring(tmp_path: Path):
    path = tmp_path / "keys"
    path.write_bytes(b64encode(OLD.secret))
    path.chmod(0o600)
    assert load_signing_keys(path).known() == SigningKeys.of(OLD)
    path.chmod(0o640)
    with pytest.raises(BadKeyFile, match="chmod 600"):
        load_signing_keys(path)


@pytest.mark.parametrize(
    "text",
    [
        "", "\n\n", "short", "2026-11-20T12:00:00Z", f"yesterday {b64encode(OLD.secret).decode()}",
        f"2026-11-20T12:00:00 {b64encode(OLD.secret).decode()}",
        f"2026-11-20T12:00:00Z {b64encode(OLD.secret[1:]).decode()}",
        f"2026-11-20T12:00:00Z and {b64encode(OLD.secret).decode()}",
    ],
)  # fmt: skip
def test_a_ring_that_makes_no_sense_is_refused_and_not_quoted(tmp_path: Path, text: str):
    path = tmp_path / "keys"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(BadKeyFile) as refusal:
        load_signing_keys(path)
    assert "b29v" not in str(refusal.value)


def test_a_ring_is_read_again_when_it_changes_and_only_then(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    path, seconds = ring(tmp_path, SigningKeys.of(OLD)), [0.0]
    keys = KeyRing(path, lambda: seconds[0])
    first = keys.known()
    write_keys(path, BOTH)
    assert keys.known() is first  # it is not looked at for every request
    seconds[0] += RECHECK_SECONDS
    second = keys.known()
    assert second == BOTH
    seconds[0] += RECHECK_SECONDS
    assert keys.known() is second

    for spoil in (lambda: path.write_text("half a k"), path.unlink):
        spoil()
        for _ in range(3):
            seconds[0] += RECHECK_SECONDS
            assert keys.known() is second
    assert len([each for each in caplog.records if "cannot be read" in each.message]) == 2
    assert "half a k" not in caplog.text

    ring(tmp_path, SigningKeys.of(NEXT))
    seconds[0] += RECHECK_SECONDS
    assert keys.known() == SigningKeys.of(NEXT)


def test_the_command_adds_a_key_that_signs_in_a_minute_and_drops_retired_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    now = datetime.now(UTC)
    retired = SigningKey.of(b"r" * 32)
    current = SigningKey.of(b"c" * 32, (now - timedelta(days=90)).replace(microsecond=0))
    path = ring(tmp_path, SigningKeys.of(retired, current))
    words = ["keys", "rotate-signing", "--file", str(path)]
    assert main(words) == 0
    kept, new = read_keys(path).keys
    assert kept == current
    assert timedelta(seconds=55) < new.begins_at - now < timedelta(seconds=65)
    assert capsys.readouterr().out.startswith(f"The key {new.key_id} signs from ")

    assert main(words) == 1  # two in a hurry would leave no time to hear of the first
    assert "nothing was changed" in capsys.readouterr().err
    assert read_keys(path).keys == (current, new)

    assert main([*words, "--compromised"]) == 0
    (only,) = read_keys(path).keys
    assert only.key_id not in (current.key_id, new.key_id)
    assert read_keys(path).signing(datetime.now(UTC)) == only
    assert main(["keys", "rotate-signing", "--file", str(tmp_path / "nowhere")]) == 1


_times = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants its limits without a zone


@given(st.lists(_times, min_size=1, max_size=5), _times)
def test_whatever_the_ring_the_key_that_signs_is_accepted(begins: list[datetime], now: datetime):
    made = [SigningKey.of(bytes([at] * 32), begin) for at, begin in enumerate(begins, 1)]
    keys = SigningKeys.of(*made)
    signing = keys.signing(now)
    assert keys.accepted(signing.key_id, now)
    assert signing.begins_at <= now or all(key.begins_at > now for key in made)
    # What it signs now is accepted until it is over, whatever the clock of the verifier.
    for later in (now + LIFETIME + LEEWAY, now + LIFETIME, now - LEEWAY):
        assert keys.accepted(signing.key_id, later)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
_seconds = st.integers(-(10**12), 10**12)


@given(st.sampled_from(list(claims())), _json)
def test_a_claim_of_any_other_kind_never_gets_anybody_else_in(name: str, value: object):
    """Signed by us and still odd: refused, or believed as it stands. Nothing else may happen."""
    payload = claims(**{name: value})
    try:
        found = JwtVerifier(BOTH, FixedClock()).verify(crafted(HEADER, payload))
    except Unauthenticated:
        return
    assert found.audience.value == payload["aud"]
    assert found.subject == payload["sub"]
    assert found.token_id == payload["jti"]
    assert found.role == payload["role"]
    assert found.impersonator == payload["impersonator"]
    for name, got in (
        ("merchant_id", found.merchant_id),
        ("customer_id", found.customer_id),
        ("session_id", found.session_id),
    ):
        assert got == (payload[name] if payload[name] is None else UUID(str(payload[name])))


@given(issued=_seconds, valid=_seconds, expires=_seconds)
def test_no_times_let_a_token_live_longer(issued: int, valid: int, expires: int):
    start, leeway = START.timestamp(), LEEWAY.total_seconds()
    payload = claims(iat=issued, nbf=valid, exp=expires)
    fine = (
        max(issued, valid) <= start + leeway
        and start < expires + leeway
        and expires - issued <= LIFETIME.total_seconds()
    )
    try:
        JwtVerifier(BOTH, FixedClock()).verify(signed(payload))
    except Unauthenticated:
        assert not fine
    else:
        assert fine


@given(near=st.integers(-920, 920), length=st.integers(-30, 930))
def test_times_near_the_limits_are_judged_alike(near: int, length: int):
    test_no_times_let_a_token_live_longer.hypothesis.inner_test(  # type: ignore[attr-defined]  # by hypothesis
        issued=int(START.timestamp()) + near,
        valid=int(START.timestamp()) + near,
        expires=int(START.timestamp()) + near + length,
    )


@given(
    st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5u", "zip", "cty"]),
        st.sampled_from(["none", "None", "HS512", "RS256", "ES256", "", "JWT"]) | _json,
    )
)
def test_a_header_cannot_choose_how_it_is_checked(header: dict[str, Any]):
    """Signed with a key of ours and a header of anybody's: it holds only under our algorithm and
    that key's own id."""
    token = crafted(HEADER | header, claims())
    ours = header.get("alg", "HS256") == "HS256" and header.get("kid", NEW.key_id) == NEW.key_id
    try:
        JwtVerifier(BOTH, FixedClock()).verify(token)
    except Unauthenticated:
        return
    assert ours


@pytest.mark.parametrize("text", ["[" * 1_450, '{"alg":' * 200, "1" * 1_400, "\xff" * 700, "{}"])
def test_a_header_that_is_hard_to_read_is_refused(verifier: JwtVerifier, text: str):
    """It is read before the signature says whether it is ours."""
    head = urlsafe_b64encode(text.encode("latin-1")).rstrip(b"=").decode()
    for token in (f"{head}.e30.eA", f"{head}.{head[:40]}.eA", f"{head}..", head):
        with pytest.raises(Unauthenticated):
            verifier.verify(token)
