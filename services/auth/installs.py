"""A shop gets the app: by consent in a browser, or by a log-in of its staff. It returns as itself.

Whatever Shopify is asked is asked first, outside any transaction; a shop and its access are then
taken in together or not at all.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl
from uuid import UUID

from contracts.auth import RegisterMerchant
from contracts.caller import Caller
from contracts.installs import (
    SHOP_CONNECTED,
    BeginInstall,
    CompleteInstall,
    InstallBegun,
    Installed,
    InvalidInstall,
    InvalidSessionToken,
    MissingScopes,
    ShopConnected,
    ShopifyRefused,
)
from domain.errors import InvalidRequest, NotFound, Problem
from domain.scopes import REQUIRED_SCOPES, missing
from domain.shop_domain import normalised
from ports.clock import Clock
from ports.installs import Install, InstallStores
from ports.locks import Locks
from ports.merchants import MerchantRow, Status
from ports.sealing import MerchantKey
from ports.shopify_access import Grant, GrantRefused, ShopifyAccess, StaffProof
from ports.unit import Units
from services.auth.access import PairSealer, lock_name
from services.auth.shops import Place, Shops, take_in

STATE_LIFETIME: Final = timedelta(minutes=10)
"""Time for a merchant to read what the app asks for and to say yes."""
FRESH: Final = timedelta(minutes=5)
"""How old what Shopify has signed for a browser may be, and how far clocks may be apart."""

_MOST_QUERY: Final = 4_096  # characters
_MOST_FIELDS: Final = 20


class Installing:
    """``callback_url`` is where Shopify sends browsers back to; ``new_state`` makes a text that
    nobody can guess."""

    def __init__(
        self,
        units: Units[InstallStores],
        shopify: ShopifyAccess,
        pairs: PairSealer,
        shops: Shops,
        locks: Locks,
        clock: Clock,
        *,
        callback_url: str,
        new_state: Callable[[], str],
    ) -> None:
        self._units = units
        self._shopify = shopify
        self._pairs = pairs
        self._shops = shops
        self._locks = locks
        self._clock = clock
        self._callback_url = callback_url
        self._new_state = new_state

    async def begin(self, _: Caller, request: BeginInstall) -> InstallBegun:
        named = _parameters(request.query)
        shop = normalised(named.get("shop", ""))
        if not shop:
            raise InvalidRequest(problems=[Problem("/shop", "Expected <name>.myshopify.com.")])
        if "hmac" in named:
            self._check_signed(named)
        state = self._new_state()
        expires_at = self._clock.now() + STATE_LIFETIME
        async with self._units() as unit:
            await unit.stores.keep_state(_digest(state), shop, expires_at)
        return InstallBegun(
            authorize_url=self._shopify.authorize_url(
                shop, sorted(REQUIRED_SCOPES), self._callback_url, state
            ),
            state=state,
            expires_at=expires_at,
        )

    async def complete(self, _: Caller, request: CompleteInstall) -> Installed:
        named = _parameters(request.query)
        self._check_signed(named)
        shop, code, state = (named.get(name, "") for name in ("shop", "code", "state"))
        if not (normalised(shop) and code and state):
            raise InvalidInstall
        shop = normalised(shop)
        # The browser that began it is the one that ends it.
        if not hmac.compare_digest(_digest(state), _digest(request.kept_state)):
            raise InvalidInstall
        async with self._units() as unit:
            begun = await unit.stores.take_state(_digest(state), self._clock.now())
        if begun != shop:
            raise InvalidInstall
        try:
            async with self._locks(lock_name(shop)):
                await self._take_in(shop, lambda: self._shopify.by_code(shop, code))
        except GrantRefused:
            raise ShopifyRefused from None
        return Installed(shop_domain=shop, app_url=self._shopify.app_url(shop))

    async def of_staff(self, proof: StaffProof, session_token: str) -> UUID:
        """The shop whose staff has shown ``session_token``: it has the app, so one that is not
        known, has left before or has lost its access is taken in.

        Raises NotFound for a shop that we have suspended, and as ``complete`` does.
        """
        known = await self._known(proof)
        if known is not None:
            return known
        shop = proof.shop_domain
        async with self._locks(lock_name(shop)):
            known = await self._known(proof)
            if known is not None:
                return known
            try:
                return await self._take_in(
                    shop,
                    lambda: self._shopify.by_session_token(shop, session_token),
                    seen_at=proof.issued_at,
                )
            except GrantRefused:
                raise InvalidSessionToken from None

    async def forget_over(self) -> None:
        async with self._units() as unit:
            await unit.stores.forget_over(unit.now())

    async def _known(self, proof: StaffProof) -> UUID | None:
        """The shop, if it has the app as far as we know and we have access to it."""
        async with self._units() as unit:
            merchant = await unit.stores.by_domain(proof.shop_domain)
            if merchant is None:
                return None
            if merchant.status is Status.SUSPENDED:
                raise NotFound("No shop of this name uses LoyalNest.")
            install = await unit.stores.install(merchant.merchant_id)
            if not _is_usable(merchant, install):
                return None
            # News of a removal that was before this are old.
            await unit.stores.seen(merchant.merchant_id, proof.issued_at)
        return merchant.merchant_id

    async def _take_in(
        self, shop: str, ask: Callable[[], Awaitable[Grant]], seen_at: datetime | None = None
    ) -> UUID:
        """Ask Shopify, and keep the shop with what it grants.

        Raises GrantRefused, ShopifyUnavailable, and MissingScopes when the shop grants less than
        is needed: then nothing is kept.
        """
        seen_at = seen_at or self._clock.now()  # before asking: a removal may come between
        place, key = await self._place(shop)  # also before: what Shopify gives it gives once
        grant = await ask()
        if lacking := missing(grant.scopes):
            raise MissingScopes(f"The shop has not granted: {', '.join(lacking)}.")
        details = await self._shopify.details(shop, grant.access_token)
        request = RegisterMerchant(
            shop_domain=shop, currency=details.currency, time_zone=details.time_zone
        )
        while True:
            async with self._units() as unit:
                before = await unit.stores.by_domain(shop)
                if await take_in(unit, place, request, seen_at=seen_at) is not None:
                    pair = self._pairs.seal(key, grant, unit.now())
                    await unit.stores.grant(place.merchant_id, pair)
                    if before is None or before.status is Status.UNINSTALLED:
                        connected = ShopConnected(
                            shop_domain=shop, connected_at=seen_at, returned=before is not None
                        )
                        unit.emit(SHOP_CONNECTED, connected, place.merchant_id)
                    return place.merchant_id
            place, key = await self._place(shop)

    async def _place(self, shop: str) -> tuple[Place, MerchantKey]:
        """Where the shop is taken in, and what its access is sealed with."""
        place = await self._shops.place(shop)
        if place.keys is not None:
            return place, place.keys.key
        return place, await self._pairs.key(place.merchant_id)

    def _check_signed(self, named: Mapping[str, str]) -> None:
        """Raises InvalidInstall for what Shopify did not sign, or not now."""
        if not self._shopify.is_signed(tuple(named.items())):
            raise InvalidInstall
        stamp = named.get("timestamp", "")
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 11):
            raise InvalidInstall
        signed_at = datetime.fromtimestamp(int(stamp), UTC)
        if abs(self._clock.now() - signed_at) > FRESH:
            raise InvalidInstall


def _is_usable(merchant: MerchantRow, install: Install | None) -> bool:
    return merchant.status is Status.ACTIVE and install is not None and install.pair is not None


def _parameters(query: str) -> dict[str, str]:
    """A query's parameters by name. Raises InvalidInstall for one that names something twice, or
    is nothing that Shopify sends."""
    if len(query) > _MOST_QUERY:
        raise InvalidInstall
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise InvalidInstall from None
    named = dict(pairs)
    if len(named) != len(pairs):
        raise InvalidInstall
    return named


def _digest(state: str) -> bytes:
    return hashlib.sha256(state.encode("utf-8", "surrogatepass")).digest()
