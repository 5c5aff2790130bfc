"""A discount with a code, as apps make it in the demo shop."""

from datetime import timedelta
from typing import Any

from tests.demo_shop.admin_graphql import Api

BASIC = """mutation make($input: DiscountCodeBasicInput!) {
  discountCodeBasicCreate(basicCodeDiscount: $input) {
    codeDiscountNode { id codeDiscount { ... on DiscountCodeBasic {
      title status usageLimit appliesOncePerCustomer startsAt endsAt discountClasses asyncUsageCount
      codes(first: 1) { nodes { code } }
      context { __typename ... on DiscountCustomers { customers { id } } }
      customerGets { value { __typename
        ... on DiscountPercentage { percentage }
        ... on DiscountAmount { amount { amount currencyCode } appliesOnEachItem } }
        items { __typename } }
      minimumRequirement { ... on DiscountMinimumSubtotal {
        greaterThanOrEqualToSubtotal { amount } } }
    } } }
    userErrors { field code message }
  }
}"""


def basic(api: Api, **changes: Any) -> dict[str, Any]:
    return {
        "title": "Five off",
        "code": "LOY-1",
        "startsAt": api.now.isoformat(),
        "endsAt": (api.now + timedelta(days=30)).isoformat(),
        "usageLimit": 1,
        "appliesOncePerCustomer": True,
        "context": {"customers": {"add": ["gid://shopify/Customer/7"]}},
        "customerGets": {
            "items": {"all": True},
            "value": {"discountAmount": {"amount": "5.00", "appliesOnEachItem": False}},
        },
        "minimumRequirement": {"subtotal": {"greaterThanOrEqualToSubtotal": "20"}},
    } | changes


async def made(api: Api, **changes: Any) -> dict[str, Any]:
    answer = (await api.data(BASIC, input=basic(api, **changes)))["discountCodeBasicCreate"]
    assert answer["userErrors"] == []
    node: dict[str, Any] = answer["codeDiscountNode"]
    return node
