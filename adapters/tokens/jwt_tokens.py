"""Access tokens as signed JWTs (HS256, RFC 7519), issued and verified locally."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

import jwt
import msgspec

from adapters.tokens.keys import Keys, SigningKeys
from contracts.caller import Audience
from domain.errors import Unauthenticated
from ports.clock import Clock
from ports.tokens import BEARERS, LEEWAY, LIFETIME, Claims, Issued

_ISSUER: Final = "loyalnest"
_ALGORITHM: Final = "HS256"
_CACHED_TOKENS: Final = 10_000
_LONGEST: Final = 2_048  # characters; ours have about 500
_LEEWAY: Final = LEEWAY.total_seconds()

_MALFORMED: Final = "This is not an access token of ours."
_EXPIRED: Final = "The access token has expired; get a new one."
_TOO_EARLY: Final = "The access token is not valid yet; check the clock that issued it."
_WRONG_KEY: Final = "The access token was signed with a key that is no longer in use."
_WRONG_AUDIENCE: Final = "The access token is meant for somebody else."


class _Payload(msgspec.Struct, frozen=True, kw_only=True):
    """The claims as they are written. None has a default: each of them must be there."""

    iss: str
    aud: Audience
    sub: str
    jti: str
    iat: int
    nbf: int
    exp: int
    merchant_id: UUID | None
    customer_id: UUID | None
    role: str
    session_id: UUID | None
    impersonator: str


class JwtIssuer:
    """``ports.tokens.TokenIssuer``."""

    def __init__(self, keys: Keys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    def issue(
        self,
        audience: Audience,
        subject: str,
        *,
        merchant_id: UUID | None = None,
        customer_id: UUID | None = None,
        role: str = "",
        session_id: UUID | None = None,
        impersonator: str = "",
        until: datetime | None = None,
    ) -> Issued:
        if not subject or not _complete(audience, merchant_id, customer_id):
            raise ValueError(f"a token for {audience} needs more than that")
        instant = self._clock.now()
        key = self._keys.known().signing(instant)
        now = int(instant.timestamp())
        expires = now + int(LIFETIME.total_seconds())
        if until is not None:
            expires = min(expires, int(until.timestamp()))
        payload = _Payload(
            iss=_ISSUER,
            aud=audience,
            sub=subject,
            jti=uuid4().hex,
            iat=now,
            nbf=now,
            exp=expires,
            merchant_id=merchant_id,
            customer_id=customer_id,
            role=role,
            session_id=session_id,
            impersonator=impersonator,
        )
        token = jwt.encode(
            msgspec.to_builtins(payload),
            key.secret,
            algorithm=_ALGORITHM,
            headers={"kid": key.key_id},
        )
        return Issued(token, datetime.fromtimestamp(expires, UTC))


class JwtVerifier:
    """``ports.tokens.TokenVerifier``: a token is checked in full once and then known until it
    expires, its key is retired, or the keys change. The number of known tokens is bounded; the
    oldest are forgotten first."""

    def __init__(self, keys: Keys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock
        self._checked_with = keys.known()
        self._known: dict[str, tuple[float, Claims]] = {}

    def verify(self, token: str, audiences: Collection[Audience] = BEARERS) -> Claims:
        instant = self._clock.now()
        now = instant.timestamp()
        keys = self._keys.known()
        if keys is not self._checked_with:
            self._known.clear()
            self._checked_with = keys
        known = self._known.get(token)
        if known is None:
            known = self._checked(token, keys, instant)
            self._remember(token, known)
        dead_at, claims = known
        if now >= dead_at:
            self._known.pop(token, None)
            raise Unauthenticated(_EXPIRED)
        if claims.audience not in audiences:
            raise Unauthenticated(_WRONG_AUDIENCE)
        return claims

    def _remember(self, token: str, known: tuple[float, Claims]) -> None:
        if len(self._known) >= _CACHED_TOKENS:
            del self._known[next(iter(self._known))]
        self._known[token] = known

    def _checked(self, token: str, keys: SigningKeys, instant: datetime) -> tuple[float, Claims]:
        """When the token dies, and what it says. Raises Unauthenticated."""
        now = instant.timestamp()
        payload, retires_at = _signed_payload(token, keys, instant)
        if payload.iss != _ISSUER or not payload.sub or not payload.jti:
            raise Unauthenticated(_MALFORMED)
        if not _complete(payload.aud, payload.merchant_id, payload.customer_id):
            raise Unauthenticated(_MALFORMED)
        if max(payload.nbf, payload.iat) > now + _LEEWAY:
            raise Unauthenticated(_TOO_EARLY)
        dead_at = payload.exp + _LEEWAY
        if now >= dead_at:
            raise Unauthenticated(_EXPIRED)
        if payload.exp - payload.iat > LIFETIME.total_seconds():
            raise Unauthenticated(_MALFORMED)
        if retires_at is not None:
            dead_at = min(dead_at, retires_at.timestamp())
        return dead_at, Claims(
            audience=payload.aud,
            subject=payload.sub,
            token_id=payload.jti,
            issued_at=datetime.fromtimestamp(payload.iat, UTC),
            expires_at=datetime.fromtimestamp(payload.exp, UTC),
            merchant_id=payload.merchant_id,
            customer_id=payload.customer_id,
            role=payload.role,
            session_id=payload.session_id,
            impersonator=payload.impersonator,
        )


def _signed_payload(
    token: str, keys: SigningKeys, now: datetime
) -> tuple[_Payload, datetime | None]:
    """What is signed, and when the key that signed it is retired. Raises Unauthenticated."""
    if len(token) > _LONGEST:
        raise Unauthenticated(_MALFORMED)
    try:
        key_id = jwt.get_unverified_header(token).get("kid")
        accepted = keys.accepted(key_id, now) if isinstance(key_id, str) else None
        if accepted is None:
            raise Unauthenticated(_WRONG_KEY)
        key, retires_at = accepted
        # Times are checked by our own clock, the audience by the caller's question.
        signed: dict[str, Any] = jwt.decode(
            token,
            key.secret,
            algorithms=[_ALGORITHM],
            options={
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_aud": False,
            },
        )
        return msgspec.convert(signed, _Payload), retires_at
    except (jwt.InvalidTokenError, msgspec.ValidationError, ValueError):
        raise Unauthenticated(_MALFORMED) from None


def _complete(audience: Audience, merchant_id: UUID | None, customer_id: UUID | None) -> bool:
    """Whether the token names all that its audience needs, and nobody else."""
    match audience:
        case Audience.MERCHANT:
            return merchant_id is not None and customer_id is None
        case Audience.CUSTOMER:
            return merchant_id is not None and customer_id is not None
        case Audience.ADMIN:
            return customer_id is None
        case _:
            return False
