"""What auth keeps of a shop's installation: its access to Shopify, and errands of browsers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from ports.merchants import Merchants

SHOPIFY_ACCESS: Final = "shopify_access"
"""Purpose of a sealed pair of tokens."""


@dataclass(frozen=True, slots=True)
class SealedPair:
    """Access and refresh token of a shop in one sealed text, so that one is never kept without the
    other, and what they are good for."""

    sealed: str = field(repr=False)
    access_expires_at: datetime
    refresh_expires_at: datetime
    scopes: tuple[str, ...]
    granted_at: datetime


@dataclass(frozen=True, slots=True)
class Install:
    """``pair`` is None for a shop whose access is lost. ``version`` counts the pairs it had."""

    pair: SealedPair | None
    version: int


@dataclass(frozen=True, slots=True)
class ScopeChange:
    granted: tuple[str, ...]
    changed_at: datetime


class Installs(Protocol):
    """Works inside one transaction."""

    async def install(self, merchant_id: UUID) -> Install | None: ...

    async def grant(self, merchant_id: UUID, pair: SealedPair) -> int:
        """Keep what an installation or log-in brought, in place of what was there. Returns the
        version."""
        ...

    async def rotate(self, merchant_id: UUID, version: int, pair: SealedPair) -> bool:
        """Keep the successor of the pair of this version. False if that is not there any more:
        then nothing has changed."""
        ...

    async def lose(self, merchant_id: UUID, version: int) -> None:
        """The pair of this version is worthless; a newer one stays."""
        ...

    async def drop_pairs(self, merchant_ids: Iterable[UUID]) -> None:
        """Delete the tokens of these shops."""
        ...

    async def change_scopes(self, changes: Mapping[UUID, ScopeChange]) -> None:
        """What shops grant now, where that is newer than what is known."""
        ...

    async def keep_state(self, digest: bytes, shop_domain: str, expires_at: datetime) -> None:
        """A browser was sent to Shopify with a state of this digest."""
        ...

    async def take_state(self, digest: bytes, now: datetime) -> str:
        """The shop that the state was kept for, once; empty for one that is unknown, used or
        over."""
        ...

    async def spend(self, digest: bytes, expires_at: datetime) -> bool:
        """Use up what counts once. False if it was used before."""
        ...

    async def forget_over(self, now: datetime) -> None:
        """Delete states and used tokens that are over by themselves."""
        ...


class InstallStores(Merchants, Installs, Protocol):
    """Shops and their installations, in one transaction."""
