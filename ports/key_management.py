"""Where master keys are kept: they wrap the keys of merchants, and never leave that place."""

from typing import Final, NamedTuple, Protocol
from uuid import UUID

DATA: Final = "data"
"""Use of a key that seals."""
INDEX: Final = "index"
"""Use of a key that blind indexes are made with."""
ORGANIZATION: Final = "organization"
"""Use of an organisation's key, which blind indexes across its shops are made with."""


class KeyContext(NamedTuple):
    """Whose key is wrapped and what for. What was wrapped in one context unwraps in no other.
    With the use ``ORGANIZATION``, ``merchant_id`` is the organisation's id."""

    merchant_id: UUID
    use: str = DATA


class MasterKey(NamedTuple):
    """The master key that wraps now. ``name`` is for people; ``prefix`` is what everything wrapped
    under its present version begins with."""

    name: str
    prefix: str


class KeyManagement(Protocol):
    """Raises Unavailable, all of it, when the place where the master key is does not answer or
    does not let it be used."""

    async def current(self) -> MasterKey: ...

    async def wrap(self, key: bytes, context: KeyContext) -> str:
        """``key`` under the current master key: safe to store and to hand around."""
        ...

    async def unwrap(self, wrapped: str, context: KeyContext) -> bytes:
        """The key in ``wrapped``, be it under the current master key or one before.

        Raises ``ports.sealing.CannotOpen`` for another context, a master key that is not known
        (any more), and an altered text.
        """
        ...

    async def rewrap(self, wrapped: str, context: KeyContext) -> str:
        """The same key under the current master key. Raises CannotOpen as ``unwrap`` does."""
        ...
