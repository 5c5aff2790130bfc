"""Customers: ids for everybody, the contact for the shop's key only."""

import msgspec

from adapters.shopify.context import Sealing
from adapters.shopify.payloads import CustomerOfOrder, CustomerPayload, OrderPayload
from adapters.shopify.values import text, utc
from contracts.contact import Contact
from contracts.shop import CustomerRecord, OrderCustomer, member_id
from ports.sealing import CONTACT

_encode_contact = msgspec.json.Encoder().encode


def order_customer(order: OrderPayload, to: Sealing) -> OrderCustomer | None:
    """The member who ordered; None for a guest, whose data goes nowhere."""
    person = order.customer
    if person is None:
        return None
    shopify_id = str(person.id)
    email = person.email or order.email
    index, contact = _sealed(person, email, person.phone or order.phone, to)
    return OrderCustomer(
        customer_id=member_id(to.merchant.merchant_id, shopify_id),
        shopify_customer_id=shopify_id,
        email_index=index,
        sealed_contact=contact,
    )


def customer_record(customer: CustomerPayload, to: Sealing) -> CustomerRecord:
    shopify_id = str(customer.id)
    index, contact = _sealed(customer, customer.email, customer.phone, to)
    created_at = utc(customer.created_at, "/created_at")
    updated_at = customer.updated_at
    return CustomerRecord(
        customer_id=member_id(to.merchant.merchant_id, shopify_id),
        shopify_customer_id=shopify_id,
        created_at=created_at,
        updated_at=created_at if updated_at is None else utc(updated_at, "/updated_at"),
        email_index=index,
        sealed_contact=contact,
        language=text(customer.locale),
    )


def _sealed(
    person: CustomerOfOrder, email: str | None, phone: str | None, to: Sealing
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
    index = sealer.blind_index(key, contact.email) if contact.email else ""
    return index, sealer.seal(key, _encode_contact(contact), CONTACT)


_NOBODY = Contact()
