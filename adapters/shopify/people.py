"""Customers: ids for everybody, the contact for the shop's key only."""

import re
from typing import Final
from uuid import UUID

import msgspec

from adapters.shopify.context import Sealing
from adapters.shopify.errors import MalformedPayload
from adapters.shopify.payloads import (
    CustomerDeletion,
    CustomerMerging,
    CustomerOfOrder,
    CustomerPayload,
    OrderPayload,
)
from adapters.shopify.values import text, utc
from contracts.contact import Contact
from contracts.shop import (
    CustomerGone,
    CustomerRecord,
    CustomersMerged,
    OrderCustomer,
    member_id,
)
from ports.sealing import CONTACT

_GID: Final = re.compile(r"gid://shopify/Customer/([1-9][0-9]{0,18})")
_encode_contact = msgspec.json.Encoder().encode


def order_customer(order: OrderPayload, to: Sealing) -> OrderCustomer | None:
    """The member who ordered; None for a guest, whose data goes nowhere."""
    person = order.customer
    if person is None:
        return None
    shopify_id = str(person.id)
    email = person.email or order.email
    customer_id = member_id(to.merchant.merchant_id, shopify_id)
    phone = person.phone or order.phone
    index, contact = _sealed(person, email, phone, customer_id, to)
    return OrderCustomer(
        customer_id=customer_id,
        shopify_customer_id=shopify_id,
        email_index=index,
        sealed_contact=contact,
        email_verified=bool(index) and _is_verified(person),
    )


def customer_record(customer: CustomerPayload, to: Sealing) -> CustomerRecord:
    shopify_id = str(customer.id)
    customer_id = member_id(to.merchant.merchant_id, shopify_id)
    index, contact = _sealed(customer, customer.email, customer.phone, customer_id, to)
    created_at = utc(customer.created_at, "/created_at")
    updated_at = customer.updated_at
    return CustomerRecord(
        customer_id=customer_id,
        shopify_customer_id=shopify_id,
        created_at=created_at,
        updated_at=created_at if updated_at is None else utc(updated_at, "/updated_at"),
        email_index=index,
        sealed_contact=contact,
        language=text(customer.locale),
        email_verified=bool(index) and _is_verified(customer),
    )


def customer_gone(deletion: CustomerDeletion, to: Sealing) -> CustomerGone:
    shopify_id = str(deletion.id)
    return CustomerGone(
        customer_id=member_id(to.merchant.merchant_id, shopify_id), shopify_customer_id=shopify_id
    )


def customers_merged(merging: CustomerMerging, to: Sealing) -> CustomersMerged:
    kept = _id_in(merging.admin_graphql_api_customer_kept_id, "kept")
    merged = _id_in(merging.admin_graphql_api_customer_deleted_id, "deleted")
    merchant_id = to.merchant.merchant_id
    return CustomersMerged(
        kept_customer_id=member_id(merchant_id, kept),
        kept_shopify_customer_id=kept,
        merged_customer_id=member_id(merchant_id, merged),
        merged_shopify_customer_id=merged,
        completed=merging.status.lower() == "completed",
    )


def _id_in(gid: str, which: str) -> str:
    found = _GID.fullmatch(gid)
    if found is None:
        pointer = f"/admin_graphql_api_customer_{which}_id"
        raise MalformedPayload(pointer, "Expected an id such as gid://shopify/Customer/1.")
    return found[1]


def _is_verified(person: CustomerOfOrder) -> bool:
    """Whether Shopify vouches for the customer's own address. One that was typed at a checkout is
    the order's, and nobody's word."""
    return person.verified_email is True and bool(text(person.email))


def _sealed(
    person: CustomerOfOrder,
    email: str | None,
    phone: str | None,
    customer_id: UUID,
    to: Sealing,
) -> tuple[str, str]:
    """Blind index of the e-mail and the sealed contact; empty where there is nothing to seal."""
    contact = Contact(
        email=text(email),
        phone=text(phone),
        first_name=text(person.first_name),
        last_name=text(person.last_name),
    )
    if contact == _NOBODY:
        return "", ""
    key, sealer = to.merchant.key, to.sealer
    if key is None:
        return "", ""
    index = sealer.blind_index(key, contact.email) if contact.email else ""
    return index, sealer.seal(key, _encode_contact(contact), CONTACT, str(customer_id))


_NOBODY = Contact()
