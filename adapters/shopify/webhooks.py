"""Shopify's webhooks in our own words: the one place that knows both languages.

The hottest code of the edge: one typed decoder per topic, made once, that skips what we do not use.
"""

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec
from msgspec.structs import replace

from adapters.shopify import orders, people, privacy, products, scopes
from adapters.shopify.context import MerchantContext, Sealing
from adapters.shopify.errors import MalformedPayload
from adapters.shopify.payloads import (
    CollectionPayload,
    CustomerDeletion,
    CustomerMerging,
    CustomerPayload,
    CustomerRedaction,
    DataRequestPayload,
    OrderPayload,
    ProductDeletion,
    ProductPayload,
    RefundPayload,
    ScopesPayload,
    Shop,
    ShopRedaction,
)
from contracts.kit import Body
from contracts.shop import PrivacyRequest, TillQueue
from ports.sealing import PRIVACY_REQUEST, Sealer

PayloadT = TypeVar("PayloadT")
Translation = Callable[[bytes, Sealing], Body]


class WebhookTranslator:
    """``translate`` for any topic of ``contracts.shop``; one for the whole process is enough."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def translate(self, topic: str, raw: bytes, merchant: MerchantContext) -> Body:
        """The event that the body ``raw`` of a webhook on ``topic`` becomes.

        Personal data in it is sealed with the merchant's key or a blind index. Raises
        MalformedPayload for whatever is not what the topic promises, and KeyError for a topic
        that is not in ``TOPICS``.
        """
        return _BY_TOPIC[topic](raw, Sealing(merchant, self._sealer))


def _from(payload: type[PayloadT], translated: Callable[[PayloadT, Sealing], Body]) -> Translation:
    """Reads ``payload`` and hands it to ``translated``."""
    decode = msgspec.json.Decoder(payload).decode

    def translation(raw: bytes, to: Sealing) -> Body:
        try:
            decoded = decode(raw)
        except msgspec.ValidationError as error:
            raise _misfit(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise MalformedPayload("", "The body is not valid JSON.") from None
        return translated(decoded, to)

    return translation


def _kept(translation: Translation) -> Translation:
    """The same, with the original sealed beside it: what a compliance request said is evidence."""

    def keeping(raw: bytes, to: Sealing) -> Body:
        request = translation(raw, to)
        if not isinstance(request, PrivacyRequest):
            raise TypeError("only a privacy request keeps its original")
        if to.merchant.key is None:
            return request  # nobody could ever read it
        sealed = to.sealer.seal(to.merchant.key, raw, PRIVACY_REQUEST, request.request_key)
        return replace(request, sealed_payload=sealed)

    return keeping


def _misfit(message: str) -> MalformedPayload:
    """msgspec says ``Expected `int`, got `str` - at `$.line_items[0].id```: types and places, never
    values."""
    what, _, where = message.partition(" - at `$")
    pointer = where.rstrip("`").replace("[", "/").replace("]", "").replace(".", "/")
    missing = what.partition("missing required field `")[2].rstrip("`")
    if missing:
        return MalformedPayload(f"{pointer}/{missing}", "This field is required.")
    return MalformedPayload(pointer, f"{what}.")


_ORDER: Final = _from(OrderPayload, orders.order)
_CUSTOMER: Final = _from(CustomerPayload, people.customer_record)
_PRODUCT: Final = _from(ProductPayload, products.product)

_BY_TOPIC: Final[dict[str, Translation]] = {
    "orders/create": _ORDER,
    "orders/paid": _ORDER,
    "orders/fulfilled": _ORDER,
    "orders/updated": _ORDER,
    "orders/cancelled": _ORDER,
    "refunds/create": _from(RefundPayload, orders.refund),
    "customers/create": _CUSTOMER,
    "customers/update": _CUSTOMER,
    "customers/delete": _from(CustomerDeletion, people.customer_gone),
    "customers/merge": _from(CustomerMerging, people.customers_merged),
    "products/create": _PRODUCT,
    "products/update": _PRODUCT,
    "products/delete": _from(ProductDeletion, products.product_gone),
    "collections/update": _from(CollectionPayload, products.collection_changed),
    "collections/delete": _from(CollectionPayload, products.collection_gone),
    # Not one of Shopify's: an app of the shop signs it, and its JSON is as ours.
    "pos/offline_sync": _from(TillQueue, lambda queue, _: queue),
    "app/uninstalled": _from(Shop, privacy.uninstalled),
    "app/scopes_update": _from(ScopesPayload, scopes.scopes_changed),
    "customers/data_request": _kept(_from(DataRequestPayload, privacy.data_request)),
    "customers/redact": _kept(_from(CustomerRedaction, privacy.customer_redaction)),
    "shop/redact": _kept(_from(ShopRedaction, privacy.shop_redaction)),
}

TOPICS: Final = frozenset(_BY_TOPIC)
"""The topics that can be translated."""
