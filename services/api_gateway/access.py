"""Who is asking: a token, checked here without a call, and what its role may do right now."""

import time
from collections.abc import Callable
from typing import Final
from uuid import UUID

from contracts.caller import ANYONE, Audience, Caller, service_caller
from contracts.roles import GET_PERMISSIONS, PermissionsOf
from domain.errors import DeadlineExceeded, NotFound, Unauthenticated, Unavailable
from domain.rbac import CUSTOMER, DEFAULT_ROLES
from ports.mesh import Mesh
from ports.tokens import Claims, TokenVerifier

FRESH_SECONDS: Final = 2.0
"""A changed role takes effect here within this time."""
STALE_SECONDS: Final = 60.0
"""While roles is away, what it said last holds for this long; after that nobody gets in."""
_MOST: Final = 10_000

_CUSTOMER_PERMISSIONS: Final = next(
    tuple(sorted(role.grants)) for role in DEFAULT_ROLES if role.name == CUSTOMER
)


class Access:
    def __init__(
        self,
        verifier: TokenVerifier,
        mesh: Mesh,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._verifier = verifier
        self._mesh = mesh
        self._monotonic = monotonic
        self._known: dict[tuple[UUID, str], tuple[float, tuple[str, ...]]] = {}

    async def caller(self, authorization: str) -> Caller:
        """The caller that an ``Authorization`` header names; anyone when there is none.

        Raises Unauthenticated for a header that holds no valid token of ours.
        """
        if not authorization:
            return ANYONE
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("Send the token as: Authorization: Bearer <token>.")
        return (await self.of_token(token.strip()))[0]

    async def of_token(self, token: str) -> tuple[Caller, Claims]:
        """The same for a bare token, with what it says."""
        claims = self._verifier.verify(token)
        caller = Caller(
            audience=claims.audience,
            actor=claims.subject,
            merchant_id=claims.merchant_id,
            customer_id=claims.customer_id,
            role=claims.role,
            permissions=await self._permissions(claims),
            session_id=claims.session_id,
            impersonator=claims.impersonator,
        )
        return caller, claims

    async def _permissions(self, claims: Claims) -> tuple[str, ...]:
        if claims.audience is Audience.CUSTOMER:
            return _CUSTOMER_PERMISSIONS
        if claims.merchant_id is None or not claims.role:
            return ()
        key = (claims.merchant_id, claims.role)
        now = self._monotonic()
        known = self._known.get(key)
        if known is not None and now - known[0] < FRESH_SECONDS:
            return known[1]
        try:
            answer = await self._mesh.call(
                GET_PERMISSIONS,
                PermissionsOf(role=claims.role),
                service_caller("api_gateway", claims.merchant_id),
                deadline=2.0,
            )
            permissions = answer.permissions
        except NotFound:
            permissions = ()  # the role is gone: deny
        except (Unavailable, DeadlineExceeded):
            if known is None or now - known[0] > STALE_SECONDS:
                raise
            return known[1]
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[key] = (now, permissions)
        return permissions
