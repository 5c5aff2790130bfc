"""``ports.key_management.KeyManagement`` while master keys move from one place to another."""

from ports.key_management import KeyContext, KeyManagement, MasterKey


class Moving:
    """``to`` wraps; what begins with ``scheme`` is still unwrapped by ``away_from``."""

    def __init__(self, to: KeyManagement, away_from: KeyManagement, scheme: str) -> None:
        self._to = to
        self._away_from = away_from
        self._scheme = scheme

    async def current(self) -> MasterKey:
        return await self._to.current()

    async def wrap(self, key: bytes, context: KeyContext) -> str:
        return await self._to.wrap(key, context)

    async def unwrap(self, wrapped: str, context: KeyContext) -> bytes:
        return await self._place_of(wrapped).unwrap(wrapped, context)

    async def rewrap(self, wrapped: str, context: KeyContext) -> str:
        place = self._place_of(wrapped)
        if place is self._to:
            return await place.rewrap(wrapped, context)
        return await self._to.wrap(await place.unwrap(wrapped, context), context)

    def _place_of(self, wrapped: str) -> KeyManagement:
        return self._away_from if wrapped.startswith(self._scheme) else self._to
