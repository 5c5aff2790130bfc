"""The versions of every shop's keys, as auth keeps them, and how far a new master key is."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from domain.keys import KeyState
from ports.merchants import MerchantRow, Merchants
from ports.sealing import NewKey, NewKeys


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A version of a key; ``use`` as in ``ports.key_management``."""

    merchant_id: UUID
    shop_domain: str
    use: str
    key_id: str
    state: KeyState
    created_at: datetime
    retired_at: datetime | None
    destroyed_at: datetime | None


class KeyChanged(NamedTuple):
    merchant_id: UUID
    version: int
    destroyed: bool


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A wrapped key somewhere in auth: of a shop, of an organisation (whose id is ``merchant_id``
    then), or LoyalNest's own, which has no ``key_id``."""

    merchant_id: UUID
    use: str
    key_id: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class MasterRotation:
    """Under which master key everything is to be wrapped, as the prefix of what it wraps."""

    prefix: str
    started_at: datetime
    finished_at: datetime | None


class WrappedCount(NamedTuple):
    """``left`` are not wrapped as they should be; ``failed`` of those cannot be."""

    keys: int
    left: int
    failed: int


class KeyBook(Protocol):
    """Works inside one transaction."""

    async def lock_shop(self, merchant_id: UUID) -> MerchantRow:
        """A known shop, held until the transaction ends."""
        ...

    async def keys_of(self, merchant_id: UUID) -> Sequence[StoredKey]:
        """All versions, also destroyed ones; the newest first."""
        ...

    async def retired_keys(self, limit: int) -> Sequence[StoredKey]:
        """Of all shops, those retired for longest."""
        ...

    async def rotate(self, merchant_id: UUID, new: NewKey, now: datetime) -> str:
        """Make this the data key that seals. Returns the id of the one before, which is retired."""
        ...

    async def destroy(
        self, merchant_id: UUID, now: datetime, key_ids: Collection[str] | None = None
    ) -> Sequence[str]:
        """Overwrite these retired data keys of a shop, or all that it has. Returns the ids of those
        that were there."""
        ...

    async def changes(self, since: datetime | None) -> tuple[datetime, Sequence[KeyChanged]]:
        """Shops whose keys have changed since; none for None. With the time to ask from next."""
        ...

    async def without_versions(self, after: UUID, limit: int) -> Sequence[Wrapped]:
        """Shops that have one key only, from before keys had versions, by their ids."""
        ...

    async def adopt(self, wrapped: Wrapped, keys: NewKeys) -> bool:
        """Keep these as the keys of such a shop. False when it has changed meanwhile."""
        ...

    async def rotation(self) -> MasterRotation | None: ...

    async def begin_rotation(self, prefix: str, now: datetime) -> MasterRotation:
        """From now on everything is to be wrapped so, also what could not be before. One that goes
        on to the same end goes on."""
        ...

    async def end_rotation(self, prefix: str, now: datetime) -> None: ...

    async def wrapped_otherwise(self, prefix: str, limit: int) -> Sequence[Wrapped]:
        """Keys that are not wrapped so yet, and were not given up."""
        ...

    async def rewrap(self, wrapped: Wrapped, text: str) -> None:
        """Store a key wrapped anew, unless it has changed meanwhile."""
        ...

    async def give_up(self, wrapped: Wrapped, prefix: str) -> None:
        """This key cannot be wrapped so."""
        ...

    async def count_wrapped(self, prefix: str) -> WrappedCount: ...


class KeyStores(Merchants, KeyBook, Protocol):
    """Shops and their keys, in one transaction."""
