"""The sessions of a running auth, by a clock that tests move."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.postgres.sessions import PostgresSessions
from adapters.runtime.host import Process
from adapters.tokens.jwt_tokens import JwtVerifier
from adapters.tokens.keys import load_signing_keys
from contracts import auth
from contracts.caller import ANYONE, Audience, Caller, service_caller
from contracts.kit import Operation
from contracts.sessions import (
    LIST_REVOKED,
    ListRevoked,
    RefreshSession,
    TokenPair,
)
from domain.errors import Unauthenticated
from ports.sessions import Holder, SessionBook
from ports.tokens import Claims
from ports.unit import Units
from tests.mesh.opened import sessions_of
from tests.mesh.said import mesh_of, world_of

TEST = service_caller("test")


class Clock:
    """Goes when it is told to."""

    def __init__(self) -> None:
        self.time = datetime.now(UTC).replace(microsecond=0)

    def now(self) -> datetime:
        return self.time

    def later(self, by: timedelta) -> None:
        self.time += by


class Auth:
    """The sessions of a running auth, by a clock of their own."""

    def __init__(self, process: Process, merchant: auth.Merchant) -> None:
        self.process = process
        self.merchant = merchant
        self.clock = Clock()
        world = replace(world_of(process), clock=self.clock)
        keys = load_signing_keys(world.settings.jwt_key_file)
        self.units: Units[SessionBook] = world.units_across_shops("auth", PostgresSessions)
        self.verifier = JwtVerifier(keys, self.clock)
        self.sessions = sessions_of(world)

    def holder(self, subject: str = "staff-1", **more: Any) -> Holder:
        shop_id = self.merchant.merchant_id
        return Holder(Audience.MERCHANT, subject, merchant_id=shop_id, role="owner", **more)

    async def open(self, subject: str = "staff-1", **more: Any) -> TokenPair:
        return await self.sessions.open(self.holder(subject, **more), device="Firefox on Linux")

    async def refresh(self, pair: TokenPair) -> TokenPair:
        request = RefreshSession(refresh_token=pair.refresh_token)
        return await self.sessions.refresh(ANYONE, request)

    def claims(self, pair: TokenPair) -> Claims:
        return self.verifier.verify(pair.token)

    def caller(self, pair: TokenPair) -> Caller:
        """What the gateway makes of the pair's access token."""
        claims = self.claims(pair)
        return Caller(
            audience=claims.audience,
            actor=claims.subject,
            merchant_id=claims.merchant_id,
            session_id=claims.session_id,
            impersonator=claims.impersonator,
        )

    async def is_refused(self, pair: TokenPair) -> bool:
        """Whether an access token of the pair's session is one that gateways refuse."""
        claims = self.claims(pair)
        found = await mesh_of(self.process).call(LIST_REVOKED, ListRevoked(), TEST)
        ended = {each.session_id or each.token_id for each in found.revoked}
        return bool({claims.session_id, claims.token_id} & ended)

    async def call(self, operation: Operation[Any, Any], request: Any, caller: Caller) -> Any:
        return await mesh_of(self.process).call(operation, request, caller)

    async def goes_on(self, pair: TokenPair) -> bool:
        """Whether the session still can be refreshed; uses ``pair`` up if so."""
        try:
            await self.refresh(pair)
        except Unauthenticated:
            return False
        return True
