"""``ports.sessions.RevokedCopy`` as keys with a life of their own: ``revoked_jti:{token id}`` and
``revoked_session:{session id}``, there while access tokens have to be refused.

A marker says that nothing is missing. It is gone with everything else after a restart without data.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.errors import Unavailable
from ports.sessions import Revocation

_WHOLE: Final = "revoked:whole"
_PATIENCE_SECONDS: Final = 1.0


class ValkeyRevocations:
    def __init__(self, valkey: Redis) -> None:
        self._valkey = valkey

    async def is_whole(self) -> bool:
        async with _reached():
            return bool(await self._valkey.exists(_WHOLE))

    async def put(self, revocations: Iterable[Revocation], now: datetime) -> None:
        async with _reached(), self._valkey.pipeline(transaction=True) as pipe:
            for each in revocations:
                left = (each.expires_at - now).total_seconds()
                if left > 0:
                    pipe.set(_name(each), b"1", px=int(left * 1000))
            pipe.set(_WHOLE, b"1")
            await pipe.execute()


def _name(revocation: Revocation) -> str:
    if revocation.session_id is not None:
        return f"revoked_session:{revocation.session_id}"
    return f"revoked_jti:{revocation.token_id}"


@asynccontextmanager
async def _reached() -> AsyncIterator[None]:
    # The client's own retries take longer than the loop that copies can wait.
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            yield
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable("The copy of what is revoked cannot be reached.") from error
