"""``ports.issuing.Issuing`` at Shopify: discount codes, gift cards, store credit.

What is made carries the redemption's id (a discount's tag, a gift card's note), so that a try whose
answer was lost is told from a code that somebody else has.
"""

from decimal import Decimal
from typing import Any, Final, TypeVar, assert_never
from uuid import UUID

import msgspec

from adapters.shopify.admin.client import AdminClient, done
from adapters.shopify.admin.codes import (
    CREATE_BASIC,
    CREATE_FREE_SHIPPING,
    CREATE_GIFT_CARD,
    DEACTIVATE_CODE,
    DEACTIVATE_GIFT_CARD,
    DISCOUNT,
    FIND_CODE,
    FIND_GIFT_CARD,
    GIFT_CARD,
    PRICE_OF_PRODUCT,
    Card,
    CodeCreated,
)
from adapters.shopify.admin.documents import Question, gid, number_of
from adapters.shopify.admin.errors import (
    AccessDenied,
    AnswerLost,
    Declined,
    Misunderstood,
    NotAsked,
)
from adapters.shopify.admin.shop import SHOP_DETAILS
from adapters.shopify.admin.store_credit import StoreCredits
from domain.points.benefits import (
    AmountOff,
    Benefit,
    FreeProduct,
    FreeShipping,
    GiftCard,
    PercentOff,
    StoreCredit,
)
from domain.points.codes import gift_card_code
from ports.issuing import IssueRefused, Purchase

AnswerT = TypeVar("AnswerT", bound=msgspec.Struct)

_TAKEN: Final = "TAKEN"
_MOST_TITLE: Final = 255
_NOT_GRANTED: Final = "The shop has not granted LoyalNest what this reward needs at Shopify."
_CODE_IS_TAKEN: Final = "Another discount of the shop has this code."

_WITH_SHIPPING: Final = {
    "orderDiscounts": False,
    "productDiscounts": False,
    "shippingDiscounts": True,
}
_WITH_GOODS: Final = {"orderDiscounts": True, "productDiscounts": True, "shippingDiscounts": False}
"""A code lowers the price of goods or of shipping once: two of one sort do not add up."""


class ShopifyIssuing:
    def __init__(self, client: AdminClient, store_credits: StoreCredits) -> None:
        self._client = client
        self._store_credits = store_credits

    async def issue(self, merchant_id: UUID, purchase: Purchase) -> str:
        try:
            return await self._issue(merchant_id, purchase)
        except AccessDenied:
            raise IssueRefused(_NOT_GRANTED) from None
        except Misunderstood:
            raise IssueRefused("Shopify does not know this kind of reward.") from None
        except Declined as declined:
            raise IssueRefused(f"Shopify declines it: {_reason(declined)}.") from None

    async def withdraw(self, merchant_id: UUID, benefit: Benefit, external_id: str) -> bool:
        try:
            match benefit:
                case StoreCredit():
                    return False
                case GiftCard():
                    return await self._withdraw_gift_card(merchant_id, external_id)
                case _:
                    return await self._withdraw_code(merchant_id, external_id)
        except (AccessDenied, Misunderstood, Declined):
            raise AnswerLost from None  # so it can still be used

    async def _issue(self, merchant_id: UUID, purchase: Purchase) -> str:
        discount = _discount(purchase)
        match purchase.benefit:
            case AmountOff(amount=amount, minimum_subtotal=minimum):
                value = {"discountAmount": {"amount": _plain(amount), "appliesOnEachItem": False}}
                discount |= _gets(value, {"all": True}) | _from(minimum)
                return await self._code(merchant_id, purchase, CREATE_BASIC, discount)
            case PercentOff(percent=percent, minimum_subtotal=minimum):
                discount |= _gets({"percentage": float(percent / 100)}, {"all": True})
                discount |= _from(minimum)
                return await self._code(merchant_id, purchase, CREATE_BASIC, discount)
            case FreeShipping(minimum_subtotal=minimum):
                discount |= {"destination": {"all": True}, "combinesWith": _WITH_GOODS}
                discount |= _from(minimum)
                return await self._code(merchant_id, purchase, CREATE_FREE_SHIPPING, discount)
            case FreeProduct(product_id=product_id):
                discount |= await self._free(merchant_id, gid("Product", product_id))
                return await self._code(merchant_id, purchase, CREATE_BASIC, discount)
            case GiftCard(amount=amount):
                return await self._gift_card(merchant_id, purchase, amount)
            case StoreCredit() as credit:
                return await self._store_credits.give(
                    merchant_id, purchase.redemption_id, purchase.shopify_customer_id, credit
                )
            case never:
                assert_never(never)

    async def _free(self, merchant_id: UUID, product_id: str) -> dict[str, Any]:
        """One piece for nothing: what its dearest variant costs now, taken once off this product.

        A percentage would take every piece in the cart, and a discount on a quantity belongs to
        "buy X, get Y", where the member has to buy one first.
        """
        product = (
            await self._client.ask(merchant_id, PRICE_OF_PRODUCT, {"id": product_id})
        ).product
        if product is None:
            raise IssueRefused("The shop does not have this product any more.")
        price = product.prices.max_variant_price.amount
        if Decimal(price) <= 0:
            raise IssueRefused("This product costs nothing as it is.")
        value = {"discountAmount": {"amount": price, "appliesOnEachItem": False}}
        return _gets(value, {"products": {"productsToAdd": [product_id]}})

    async def _code(
        self,
        merchant_id: UUID,
        purchase: Purchase,
        create: Question[CodeCreated],
        discount: dict[str, Any],
    ) -> str:
        answer = await self._client.ask(merchant_id, create, {"discount": discount})
        try:
            done(answer.created.user_errors)
        except Declined as declined:
            if _TAKEN not in declined.codes:
                raise
            return await self._found(merchant_id, purchase)
        if answer.created.node is None:
            raise AnswerLost
        return answer.created.node.id

    async def _found(self, merchant_id: UUID, purchase: Purchase) -> str:
        node = (await self._look(merchant_id, FIND_CODE, purchase.code)).node
        if node is None:
            raise AnswerLost  # Shopify's left hand does not know yet what the right one does
        if _mark(purchase.redemption_id) not in node.code_discount.tags:
            raise IssueRefused(_CODE_IS_TAKEN)
        return node.id

    async def _gift_card(self, merchant_id: UUID, purchase: Purchase, amount: Decimal) -> str:
        code = gift_card_code(purchase.code)
        currency = (await self._client.ask(merchant_id, SHOP_DETAILS, {})).shop.currency_code
        card: dict[str, Any] = {
            "code": code,
            "initialAmount": {"amount": _plain(amount), "currencyCode": currency},
            "customerId": gid("Customer", purchase.shopify_customer_id),
            "note": _mark(purchase.redemption_id),
        }
        if purchase.ends_at is not None:
            card["expiresOn"] = purchase.ends_at.date().isoformat()
        answer = await self._client.ask(merchant_id, CREATE_GIFT_CARD, {"card": card})
        try:
            done(answer.created.user_errors)
        except Declined as declined:
            if _TAKEN not in declined.codes:
                raise
            return await self._found_card(merchant_id, purchase)
        if answer.created.node is None:
            raise AnswerLost
        return answer.created.node.id

    async def _found_card(self, merchant_id: UUID, purchase: Purchase) -> str:
        found = await self._look(merchant_id, FIND_GIFT_CARD, gift_card_code(purchase.code))
        mark = _mark(purchase.redemption_id)
        for card in found.cards.nodes:
            if mark in (card.note or ""):
                return card.id
        if found.cards.nodes:
            raise IssueRefused(_CODE_IS_TAKEN)
        raise AnswerLost  # the search finds it a little later

    async def _look(self, merchant_id: UUID, question: Question[AnswerT], code: str) -> AnswerT:
        """Who has the code that is taken: it may be ours, so nobody may think nothing was done."""
        try:
            return await self._client.ask(merchant_id, question, {"code": code})
        except (NotAsked, AccessDenied, Misunderstood):
            raise AnswerLost from None

    async def _withdraw_code(self, merchant_id: UUID, external_id: str) -> bool:
        """Ended first and looked at then: in between nobody can use it any more."""
        answer = await self._client.ask(merchant_id, DEACTIVATE_CODE, {"id": external_id})
        node = answer.deactivated.node
        if node is not None and not answer.deactivated.user_errors:
            return node.code_discount.async_usage_count == 0
        same = gid("DiscountNode", number_of(external_id))
        found = (await self._client.ask(merchant_id, DISCOUNT, {"id": same})).node
        if found is None:
            return True  # deleted by the shop: worth nothing either
        if found.discount.status != "EXPIRED":
            raise AnswerLost  # it could still be used
        return found.discount.async_usage_count == 0

    async def _withdraw_gift_card(self, merchant_id: UUID, external_id: str) -> bool:
        """Looked at first: one that was used in part keeps the rest, and nothing revives it."""
        card = (await self._client.ask(merchant_id, GIFT_CARD, {"id": external_id})).card
        if card is None or _is_used(card):
            return card is None
        answer = await self._client.ask(merchant_id, DEACTIVATE_GIFT_CARD, {"id": external_id})
        done(answer.deactivated.user_errors)
        card = answer.deactivated.card
        return card is None or not _is_used(card)


def _discount(purchase: Purchase) -> dict[str, Any]:
    """What all codes have: one member's, for one use."""
    return {
        "title": purchase.title[:_MOST_TITLE],
        "code": purchase.code,
        "startsAt": purchase.starts_at.isoformat(),
        "endsAt": None if purchase.ends_at is None else purchase.ends_at.isoformat(),
        "usageLimit": 1,
        "appliesOncePerCustomer": True,
        "context": {"customers": {"add": [gid("Customer", purchase.shopify_customer_id)]}},
        "combinesWith": _WITH_SHIPPING,
        "tags": [_mark(purchase.redemption_id)],
    }


def _gets(value: dict[str, Any], items: dict[str, Any]) -> dict[str, Any]:
    return {"customerGets": {"value": value, "items": items}}


def _from(minimum: Decimal) -> dict[str, Any]:
    if minimum <= 0:
        return {}
    subtotal = {"greaterThanOrEqualToSubtotal": _plain(minimum)}
    return {"minimumRequirement": {"subtotal": subtotal}}


def _mark(redemption_id: UUID) -> str:
    return f"loyalnest-redemption-{redemption_id}"


def _plain(amount: Decimal) -> str:
    return format(amount, "f")


def _is_used(card: Card) -> bool:
    return Decimal(card.balance.amount) < Decimal(card.initial_value.amount)


def _reason(declined: Declined) -> str:
    """Shopify's codes and fields; its words may quote what was sent."""
    return ", ".join(
        f"{code.lower().replace('_', ' ') or 'not valid'} ({field})" if field else code.lower()
        for code, field in zip(declined.codes, declined.fields, strict=True)
    )
