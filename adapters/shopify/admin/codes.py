"""Questions about discount codes and gift cards."""

from typing import Final

from adapters.shopify.admin.documents import MUTATION_COST, Answer, Node, Question, UserError


class Created(Answer, frozen=True):
    node: Node | None
    user_errors: list[UserError]


class CodeCreated(Answer, frozen=True):
    created: Created


CREATE_BASIC: Final = Question(
    """mutation CreateBasicCode($discount: DiscountCodeBasicInput!) {
  created: discountCodeBasicCreate(basicCodeDiscount: $discount) {
    node: codeDiscountNode { id }
    userErrors { code field }
  }
}""",
    CodeCreated,
    MUTATION_COST,
)
"""A code is there once: a repeat is told that it is taken."""

CREATE_FREE_SHIPPING: Final = Question(
    """mutation CreateFreeShippingCode($discount: DiscountCodeFreeShippingInput!) {
  created: discountCodeFreeShippingCreate(freeShippingCodeDiscount: $discount) {
    node: codeDiscountNode { id }
    userErrors { code field }
  }
}""",
    CodeCreated,
    MUTATION_COST,
)


class Tagged(Answer, frozen=True):
    """A discount of a kind that we do not make has no tags here."""

    tags: tuple[str, ...] = ()


class FoundCode(Answer, frozen=True):
    id: str
    code_discount: Tagged


class CodeFound(Answer, frozen=True):
    node: FoundCode | None


FIND_CODE: Final = Question(
    """query FindCode($code: String!) {
  node: codeDiscountNodeByCode(code: $code) {
    id
    codeDiscount {
      ... on DiscountCodeBasic { tags }
      ... on DiscountCodeFreeShipping { tags }
    }
  }
}""",
    CodeFound,
    2,
)


class Used(Answer, frozen=True):
    """``async_usage_count`` is behind by some moments."""

    async_usage_count: int = 0


class UsedCode(Answer, frozen=True):
    code_discount: Used


class Deactivated(Answer, frozen=True):
    node: UsedCode | None
    user_errors: list[UserError]


class CodeDeactivated(Answer, frozen=True):
    deactivated: Deactivated


DEACTIVATE_CODE: Final = Question(
    """mutation DeactivateCode($id: ID!) {
  deactivated: discountCodeDeactivate(id: $id) {
    node: codeDiscountNode {
      codeDiscount {
        ... on DiscountCodeBasic { asyncUsageCount }
        ... on DiscountCodeFreeShipping { asyncUsageCount }
      }
    }
    userErrors { code field }
  }
}""",
    CodeDeactivated,
    MUTATION_COST,
)


class State(Used, frozen=True):
    """``status`` is ACTIVE, SCHEDULED or EXPIRED; what we do not make has none here."""

    status: str = ""


class StatedDiscount(Answer, frozen=True):
    discount: State


class DiscountFound(Answer, frozen=True):
    node: StatedDiscount | None


DISCOUNT: Final = Question(
    """query Discount($id: ID!) {
  node: discountNode(id: $id) {
    discount {
      ... on DiscountCodeBasic { status asyncUsageCount }
      ... on DiscountCodeFreeShipping { status asyncUsageCount }
    }
  }
}""",
    DiscountFound,
    2,
)


class Amount(Answer, frozen=True):
    amount: str


class PriceRange(Answer, frozen=True):
    max_variant_price: Amount


class PricedProduct(Answer, frozen=True):
    prices: PriceRange


class ProductFound(Answer, frozen=True):
    product: PricedProduct | None


PRICE_OF_PRODUCT: Final = Question(
    """query PriceOfProduct($id: ID!) {
  product(id: $id) { prices: priceRangeV2 { maxVariantPrice { amount } } }
}""",
    ProductFound,
    3,
)


class CardCreated(Answer, frozen=True):
    created: Created


CREATE_GIFT_CARD: Final = Question(
    """mutation CreateGiftCard($card: GiftCardCreateInput!) {
  created: giftCardCreate(input: $card) {
    node: giftCard { id }
    userErrors { code field }
  }
}""",
    CardCreated,
    MUTATION_COST,
)
"""As with discounts, a code is there once."""


class FoundCard(Answer, frozen=True):
    id: str
    note: str | None = None


class Cards(Answer, frozen=True):
    nodes: list[FoundCard]


class CardsFound(Answer, frozen=True):
    cards: Cards


FIND_GIFT_CARD: Final = Question(
    """query FindGiftCard($code: String!) {
  cards: giftCards(first: 5, query: $code) { nodes { id note } }
}""",
    CardsFound,
    7,
)


class Card(Answer, frozen=True):
    """``balance`` below ``initial_value``: something was paid with it."""

    balance: Amount
    initial_value: Amount


class CardFound(Answer, frozen=True):
    card: Card | None


GIFT_CARD: Final = Question(
    """query GiftCard($id: ID!) {
  card: giftCard(id: $id) { balance { amount } initialValue { amount } }
}""",
    CardFound,
    3,
)


class DeactivatedCard(Answer, frozen=True):
    card: Card | None
    user_errors: list[UserError]


class CardDeactivated(Answer, frozen=True):
    deactivated: DeactivatedCard


DEACTIVATE_GIFT_CARD: Final = Question(
    """mutation DeactivateGiftCard($id: ID!) {
  deactivated: giftCardDeactivate(id: $id) {
    card: giftCard { balance { amount } initialValue { amount } }
    userErrors { code field }
  }
}""",
    CardDeactivated,
    MUTATION_COST,
)
