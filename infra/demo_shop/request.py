"""A delivery as the bytes of an HTTP request, signed like Shopify signs."""

import hmac
from base64 import b64encode
from collections.abc import Iterable
from datetime import UTC
from typing import Final, NamedTuple

from infra.demo_shop.delivery import API_VERSION, SHOP_DOMAIN, Delivery

HOST: Final = "127.0.0.1"


class Target(NamedTuple):
    """The edge to send to: its port on this machine, and the app's client secret."""

    port: int
    secret: str
    shop: str = SHOP_DOMAIN


class Prepared(NamedTuple):
    """A delivery with the request that carries it."""

    delivery: Delivery
    request: bytes


def prepare(deliveries: Iterable[Delivery], target: Target) -> list[Prepared]:
    """Signs all of ``deliveries`` ahead of time, so that sending costs next to nothing."""
    return [prepared(delivery, target) for delivery in deliveries]


def prepared(delivery: Delivery, target: Target) -> Prepared:
    signature = b64encode(hmac.digest(target.secret.encode(), delivery.body, "sha256")).decode()
    head = (
        f"POST /webhooks/{delivery.topic} HTTP/1.1\r\n"
        f"Host: {HOST}:{target.port}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(delivery.body)}\r\n"
        f"X-Shopify-Topic: {delivery.topic}\r\n"
        f"X-Shopify-Hmac-Sha256: {signature}\r\n"
        f"X-Shopify-Shop-Domain: {target.shop}\r\n"
        f"X-Shopify-API-Version: {API_VERSION}\r\n"
        f"X-Shopify-Webhook-Id: {delivery.webhook_id}\r\n"
        f"X-Shopify-Event-Id: {delivery.event_id}\r\n"
        f"X-Shopify-Triggered-At: {delivery.triggered_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}\r\n"
        "\r\n"
    )
    return Prepared(delivery, head.encode("ascii") + delivery.body)
