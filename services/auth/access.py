"""A shop's access to Shopify: kept sealed, and renewed before it is over, by one at a time.

A refresh token rotates: asking for the next pair uses the old one up. So of all who need it, in all
processes, one asks, under a lock of the shop and outside any transaction; the others find what it
has saved. Should the process die between Shopify's answer and the saving, the old refresh token is
what is kept, and Shopify takes it again until its successor is used: whoever asks next gets the
pair after all. Where Shopify does not, the access is marked as lost, and the next log-in of the
shop's staff brings a new one (``services.auth.installs``).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from contracts.caller import Caller
from contracts.installs import AccessLost, GetShopifyAccess, ShopifyAccess
from domain.errors import NotFound
from ports.clock import Clock
from ports.installs import SHOPIFY_ACCESS, InstallStores, SealedPair
from ports.locks import Locks
from ports.merchants import MerchantRow, Status
from ports.sealing import MerchantKey, Sealer, ShopKeys
from ports.shopify_access import Grant, GrantRefused
from ports.shopify_access import ShopifyAccess as Shopify
from ports.unit import Units

REFRESH_BEFORE: Final = timedelta(minutes=5)
"""Whoever is given a token can use it for this long."""


class Tokens(msgspec.Struct, frozen=True):
    """What is sealed; never in a log, as it has no field that may be shown."""

    access_token: str
    refresh_token: str


class PairSealer:
    """Seals pairs of tokens for their shop, and opens them again."""

    def __init__(self, keys: ShopKeys, sealer: Sealer) -> None:
        self._keys = keys
        self._sealer = sealer

    async def key(self, merchant_id: UUID) -> MerchantKey:
        """What to seal with. Not from inside a transaction: auth may have to ask for it."""
        return await self._keys.of(merchant_id)

    def seal(self, key: MerchantKey, grant: Grant, granted_at: datetime) -> SealedPair:
        plain = msgspec.json.encode(Tokens(grant.access_token, grant.refresh_token))
        return SealedPair(
            sealed=self._sealer.seal(key, plain, SHOPIFY_ACCESS),
            access_expires_at=grant.access_expires_at,
            refresh_expires_at=grant.refresh_expires_at,
            scopes=grant.scopes,
            granted_at=granted_at,
        )

    async def open(self, merchant_id: UUID, pair: SealedPair) -> Tokens:
        key = await self._keys.of(merchant_id, [pair.sealed])
        return msgspec.json.decode(self._sealer.open(key, pair.sealed, SHOPIFY_ACCESS), type=Tokens)


@dataclass(frozen=True, slots=True)
class _Held:
    merchant: MerchantRow
    pair: SealedPair
    version: int


class Access:
    def __init__(
        self,
        units: Units[InstallStores],
        shopify: Shopify,
        pairs: PairSealer,
        locks: Locks,
        clock: Clock,
    ) -> None:
        self._units = units
        self._shopify = shopify
        self._pairs = pairs
        self._locks = locks
        self._clock = clock

    async def get(self, caller: Caller, request: GetShopifyAccess) -> ShopifyAccess:
        held = await self._held(caller)
        if not self._is_good(held, request):
            async with self._locks(lock_name(held.merchant.shop_domain)):
                # Whoever had the lock before may have done it.
                held = await self._held(caller)
                if not self._is_good(held, request):
                    await self._renew(held)
                    held = await self._held(caller)
        tokens = await self._pairs.open(held.merchant.merchant_id, held.pair)
        return ShopifyAccess(
            shop_domain=held.merchant.shop_domain,
            access_token=tokens.access_token,
            expires_at=held.pair.access_expires_at,
            scopes=held.pair.scopes,
            version=held.version,
        )

    async def _held(self, caller: Caller) -> _Held:
        """What is kept for the caller's shop. Raises NotFound for a shop for which nothing is to
        be done, AccessLost where there is nothing."""
        async with self._units() as unit:
            merchant = await unit.stores.by_id(caller.tenant)
            install = await unit.stores.install(caller.tenant)
        if merchant is None or merchant.status is not Status.ACTIVE:
            raise NotFound("This shop does not use LoyalNest now.")
        if install is None or install.pair is None:
            raise AccessLost
        return _Held(merchant, install.pair, install.version)

    def _is_good(self, held: _Held, request: GetShopifyAccess) -> bool:
        return (
            held.version > request.refused_version
            and held.pair.access_expires_at - self._clock.now() > REFRESH_BEFORE
        )

    async def _renew(self, held: _Held) -> None:
        """Get the next pair and save it; held under the shop's lock.

        Raises AccessLost when Shopify does not give one any more, ShopifyUnavailable when it
        cannot say.
        """
        merchant, asked_at = held.merchant, self._clock.now()
        refresh_token = (await self._pairs.open(merchant.merchant_id, held.pair)).refresh_token
        try:
            grant = await self._shopify.by_refresh_token(merchant.shop_domain, refresh_token)
        except GrantRefused:
            async with self._units() as unit:
                await unit.stores.lose(merchant.merchant_id, held.version)
            raise AccessLost from None
        pair = self._pairs.seal(await self._pairs.key(merchant.merchant_id), grant, asked_at)
        async with self._units() as unit:
            # Not saved where the shop has removed the app meanwhile, and has no tokens any more.
            await unit.stores.rotate(merchant.merchant_id, held.version, pair)


def lock_name(shop_domain: str) -> str:
    """The lock under which a shop's access to Shopify changes."""
    return f"shopify access {shop_domain}"
