"""Gift cards: made with a code, looked up, deactivated."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from secrets import choice
from typing import Any, Final
from zoneinfo import ZoneInfo

from infra.demo_shop.admin.api.errors import UserError, done, refused
from infra.demo_shop.admin.api.ids import number_in
from infra.demo_shop.admin.api.pages import Listing, connection
from infra.demo_shop.admin.api.records import GiftCard
from infra.demo_shop.admin.api.shop import Shop
from infra.demo_shop.admin.api.views import Arguments, Ask, Resolver, View, gid, instant, money

_TYPE: Final = "GiftCard"
_SHORTEST, _LONGEST = 8, 20
_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_MOST: Final = Decimal(2_000)
"""Shopify's limit depends on the shop's plan and currency."""


def gift_card_view(card: GiftCard) -> View:
    last = card.code[-4:]
    return View(
        _TYPE,
        {
            "id": gid(_TYPE, card.number),
            "balance": money(card.balance, card.currency),
            "initialValue": money(card.initial, card.currency),
            "enabled": card.deactivated_at is None,
            "lastCharacters": last,
            "maskedCode": f"•••• •••• •••• {last}",
            "expiresOn": card.expires_on.isoformat() if card.expires_on else None,
            "note": card.note,
            "createdAt": instant(card.created_at),
            "updatedAt": instant(card.deactivated_at or card.created_at),
            "deactivatedAt": instant(card.deactivated_at),
            "templateSuffix": None,
            "customer": lambda ask, _: ask.node("Customer", card.customer_id),
        },
    )


def _given_amount(shop: Shop, given: Any) -> tuple[Decimal, str]:
    amount = given.get("initialAmount")
    if amount is not None:
        return amount["amount"], amount["currencyCode"]
    return given.get("initialValue") or Decimal(0), shop.currency


def _problems(ask: Ask, given: Any) -> Iterator[UserError]:
    shop, code = ask.shop, given.get("code")
    amount, _ = _given_amount(shop, given)
    if amount <= 0:
        yield UserError(("input", "initialValue"), "must be greater than 0", "GREATER_THAN")
    elif amount > _MOST:
        message = "can't exceed $2,000.00 USD"
        yield UserError(("input", "initialValue"), message, "GIFT_CARD_LIMIT_EXCEEDED")
    if code is not None:
        if len(code) < _SHORTEST:
            message = f"is too short (minimum is {_SHORTEST} characters)"
            yield UserError(("input", "code"), message, "TOO_SHORT")
        elif len(code) > _LONGEST:
            message = f"is too long (maximum is {_LONGEST} characters)"
            yield UserError(("input", "code"), message, "TOO_LONG")
        elif not (code.isascii() and code.isalnum()):
            message = "can only contain letters(a-z) and numbers(0-9)"
            yield UserError(("input", "code"), message, "INVALID")
        elif any(each.code == code.lower() for each in shop.gift_cards.values()):
            yield UserError(("input", "code"), "has already been taken", "TAKEN")
    buyer = given.get("customerId")
    if buyer is not None and shop.customer(number_in(buyer, "Customer")) is None:
        message = "The customer could not be found."
        yield UserError(("input", "customerId"), message, "CUSTOMER_NOT_FOUND")
    expires_on = given.get("expiresOn")
    if expires_on is not None and expires_on < _today(shop, ask.now):
        yield UserError(("input", "expiresOn"), "can't be in the past", "INVALID")


def _today(shop: Shop, now: datetime) -> Any:
    return now.astimezone(ZoneInfo(shop.time_zone)).date()


def _create(ask: Ask, args: Arguments) -> View:
    payload, given = "GiftCardCreatePayload", args["input"]
    if errors := list(_problems(ask, given)):
        return refused(payload, "GiftCardUserError", errors, "giftCard", "giftCardCode")
    amount, currency = _given_amount(ask.shop, given)
    buyer = given.get("customerId")
    card = GiftCard(
        number=ask.shop.numbers.next(),
        code=(given.get("code") or "".join(choice(_LETTERS) for _ in range(16))).lower(),
        initial=amount,
        balance=amount,
        currency=currency,
        customer_id="" if buyer is None else number_in(buyer, "Customer"),
        expires_on=given.get("expiresOn"),
        note=given.get("note"),
        created_at=ask.now,
    )
    ask.shop.gift_cards.put(card.number, card)
    return done(payload, giftCard=gift_card_view(card), giftCardCode=card.code)


def _deactivate(ask: Ask, args: Arguments) -> View:
    payload = "GiftCardDeactivatePayload"
    card = ask.shop.gift_cards.get(number_in(args["id"], _TYPE))
    if card is None:
        error = UserError(("id",), "The gift card could not be found.", "GIFT_CARD_NOT_FOUND")
        return refused(payload, "GiftCardDeactivateUserError", [error], "giftCard")
    card.deactivated_at = card.deactivated_at or ask.now
    return done(payload, giftCard=gift_card_view(card))


GIFT_CARDS: Final = Listing(
    _TYPE,
    gift_card_view,
    lambda card: card.number,
    lambda shop, number: shop.gift_cards.get(number),
    {"CREATED_AT": lambda card: card.created_at.timestamp()},
    {
        "id": lambda card: card.number,
        "code": lambda card: card.code,
        "default": lambda card: card.code,
        "last_characters": lambda card: card.code[-4:],
        "status": lambda card: "disabled" if card.deactivated_at else "enabled",
        "created_at": lambda card: card.created_at,
    },
)
GIFT_CARD_QUERIES: Final[dict[str, Resolver]] = {
    "giftCards": lambda ask, args: connection(ask, args, ask.shop.gift_cards.values(), GIFT_CARDS)
}
GIFT_CARD_MUTATIONS: Final[dict[str, Resolver]] = {
    "giftCardCreate": _create,
    "giftCardDeactivate": _deactivate,
}
