"""What was revoked, known here, so that a request is checked without asking anybody.

An event tells it in the same moment. Besides, auth is asked twice a second for what was revoked
since it was asked last, so that nothing is missed that passed while the connection was away, or
that could not be said. Whoever revokes asks auth; so while auth is away nobody revokes, and what is
known holds for a while.
"""

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

from contracts.caller import service_caller
from contracts.sessions import LIST_REVOKED, AuthRevoked, ListRevoked
from domain.errors import DeadlineExceeded, Unauthenticated, Unavailable
from ports.clock import Clock
from ports.mesh import Mesh
from ports.tokens import Claims

CHECK_SECONDS: Final = 0.5
"""How often auth is asked, so that a lost event costs less than a second."""
STALE_SECONDS: Final = 30.0
"""After so long without an answer there may be revocations that nobody here has heard of, so no
token is taken for good until auth answers again."""
_DEADLINE: Final = 1.5
_SELF: Final = service_caller("api_gateway")


class RevokedTokens:
    def __init__(
        self, mesh: Mesh, clock: Clock, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._mesh = mesh
        self._clock = clock
        self._monotonic = monotonic
        # By session id or token id, for as long as a token that names it may live.
        self._until: dict[UUID | str, datetime] = {}
        self._as_of: datetime | None = None
        self._true_at = float("-inf")

    def silence(self) -> float:
        """Seconds since auth was last asked something that it answered."""
        return self._monotonic() - self._true_at

    def check(self, claims: Claims) -> None:
        """Raises Unauthenticated for a token that was revoked, by itself or with its session;
        Unavailable when that has not been known for too long."""
        if self.silence() > STALE_SECONDS:
            raise Unavailable("It cannot be told whether this access token was revoked.")
        if claims.token_id in self._until or (
            claims.session_id is not None and claims.session_id in self._until
        ):
            raise Unauthenticated("The access token has been revoked; log in again.")

    def hear(self, said: AuthRevoked) -> None:
        """An event passed."""
        self._add((*said.session_ids, *said.token_ids), said.expires_at)

    async def learn(self) -> None:
        """Ask auth; to be run every ``CHECK_SECONDS``. Raises Unavailable."""
        asked = self._monotonic()
        try:
            found = await self._mesh.call(
                LIST_REVOKED, ListRevoked(since=self._as_of), _SELF, deadline=_DEADLINE
            )
        except DeadlineExceeded as error:
            raise Unavailable from error
        for each in found.revoked:
            self._add((each.session_id or each.token_id,), each.expires_at)
        self._as_of = found.as_of
        self._true_at = asked
        now = self._clock.now()
        for ended in [ended for ended, until in self._until.items() if until < now]:
            del self._until[ended]

    def _add(self, ended: Iterable[UUID | str], expires_at: datetime) -> None:
        for each in ended:
            self._until[each] = max(expires_at, self._until.get(each, expires_at))
