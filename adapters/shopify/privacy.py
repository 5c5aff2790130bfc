"""The end of a relationship: uninstalled apps and the three compliance topics."""

from adapters.shopify.context import Sealing
from adapters.shopify.errors import MalformedPayload
from adapters.shopify.payloads import (
    CustomerRedaction,
    DataRequestPayload,
    Shop,
    ShopRedaction,
)
from contracts.shop import PrivacyRequest, Uninstalled, member_id


def uninstalled(payload: Shop, to: Sealing) -> Uninstalled:
    domain = payload.myshopify_domain or payload.domain
    if not domain:
        raise MalformedPayload("/myshopify_domain", "This field is required.")
    return Uninstalled(shop_domain=domain, removed_at=to.merchant.triggered_at)


def data_request(payload: DataRequestPayload, to: Sealing) -> PrivacyRequest:
    return _about(
        str(payload.customer.id), str(payload.data_request.id), payload.orders_requested, to
    )


def customer_redaction(payload: CustomerRedaction, to: Sealing) -> PrivacyRequest:
    customer = str(payload.customer.id)
    return _about(customer, customer, payload.orders_to_redact, to)


def shop_redaction(payload: ShopRedaction, to: Sealing) -> PrivacyRequest:  # noqa: ARG001 - one shape per topic
    return PrivacyRequest(request_key=str(payload.shop_id))


def _about(
    customer: str, request_key: str, orders: list[int] | None, to: Sealing
) -> PrivacyRequest:
    return PrivacyRequest(
        request_key=request_key,
        shopify_customer_id=customer,
        customer_id=member_id(to.merchant.merchant_id, customer),
        order_ids=tuple(map(str, orders or ())),
    )
