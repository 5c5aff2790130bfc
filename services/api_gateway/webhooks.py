"""Taking in a webhook: genuine, known, understood, stored; only then is it answered 200."""

from typing import Final

import msgspec

from contracts.registry import REGISTRY
from domain.errors import InvalidRequest, NotFound, Problem, Unauthenticated
from ports.webhooks import IsGenuine, Keep, Translate
from services.api_gateway.shops import Shops

_encode: Final = msgspec.json.Encoder().encode
_MOST_ID: Final = 200


class Webhooks:
    def __init__(
        self, shops: Shops, is_genuine: IsGenuine, translate: Translate, keep: Keep
    ) -> None:
        self._shops = shops
        self._is_genuine = is_genuine
        self._translate = translate
        self._keep = keep

    async def accept(
        self, topic: str, raw: bytes, *, signature: str, domain: str, webhook_id: str
    ) -> bool:
        """Store what a shop told us. False when this webhook was stored before.

        Raises Unauthenticated for a wrong signature, NotFound for an unknown topic or shop,
        InvalidRequest for a body or headers that make no sense, Unavailable when it cannot be
        stored durably now: Shopify then sends it again.
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
        body = self._translate(topic, raw, shop.merchant_id, shop.key)
        return await self._keep(
            webhook.event.subject(shop.merchant_id), _encode(body), f"{domain}:{webhook_id}"
        )
