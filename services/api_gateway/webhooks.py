"""Taking in a webhook: genuine, known, understood, stored; only then is it answered 200."""

from datetime import UTC, datetime
from typing import Final

import msgspec

from contracts.registry import REGISTRY
from contracts.shop import AFTER_UNINSTALL
from domain.errors import InvalidRequest, NotFound, Problem, Unauthenticated
from domain.keys import KeysDestroyed
from ports.clock import Clock
from ports.sealing import ShopKeys
from ports.webhooks import IsGenuine, Keep, Translate
from services.api_gateway.shops import NO_SHOP, Shops

_encode: Final = msgspec.json.Encoder().encode
_MOST_ID: Final = 200


class Webhooks:
    def __init__(
        self,
        shops: Shops,
        keys: ShopKeys,
        is_genuine: IsGenuine,
        translate: Translate,
        keep: Keep,
        clock: Clock,
    ) -> None:
        self._shops = shops
        self._keys = keys
        self._is_genuine = is_genuine
        self._translate = translate
        self._keep = keep
        self._clock = clock

    async def accept(
        self,
        topic: str,
        raw: bytes,
        *,
        signature: str,
        domain: str,
        webhook_id: str,
        triggered_at: str,
    ) -> bool:
        """Store what a shop told us. False when this webhook was stored before.

        Raises Unauthenticated for a wrong signature, NotFound for an unknown topic, a shop that is
        unknown or has removed the app, InvalidRequest for a body or headers that make no sense,
        Unavailable when it cannot be stored durably now: Shopify then sends it again.
        """
        # The signature first: without it nobody learns which topics and shops there are.
        if not self._is_genuine(raw, signature):
            raise Unauthenticated("The signature of this webhook is not right.")
        webhook = REGISTRY.webhooks.get(topic)
        if webhook is None:
            raise NotFound("LoyalNest does not take webhooks of this topic.")
        if not 0 < len(webhook_id) <= _MOST_ID:
            problem = Problem("/X-Shopify-Webhook-Id", f"1 to {_MOST_ID} characters are needed.")
            raise InvalidRequest(problems=[problem])
        shop = await self._shops.find(domain)
        is_for_all = webhook.event in AFTER_UNINSTALL
        if not shop.installed and not is_for_all:
            raise NotFound(NO_SHOP)
        key = None
        try:
            key = await self._keys.of(shop.merchant_id)
        except KeysDestroyed:
            # What the law wants is taken all the same, without what only the shop could read.
            if not is_for_all:
                raise NotFound(NO_SHOP) from None
        body = self._translate(topic, raw, shop.merchant_id, key, self._happened(triggered_at))
        return await self._keep(
            webhook.event.subject(shop.merchant_id), _encode(body), f"{domain}:{webhook_id}"
        )

    def _happened(self, triggered_at: str) -> datetime:
        """When it was that Shopify has to tell something: as it says, if that makes sense. The
        signature does not cover the header, but nothing has happened later than now."""
        now = self._clock.now()
        try:
            said = datetime.fromisoformat(triggered_at)
            return now if said.tzinfo is None else min(said.astimezone(UTC), now)
        except (ValueError, OverflowError):
            return now
