"""What apps make in the demo shop: as Shopify makes it, and refused as Shopify refuses it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tests.demo_shop.admin_graphql import Api, new_api

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


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    api = new_api()
    async with api.http:
        api.shop.add_customer(7, email="seven@example.com")
        yield api


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


async def test_a_discount_is_what_was_asked_for(api: Api) -> None:
    node = await made(api)
    assert node["id"].startswith("gid://shopify/DiscountCodeNode/")
    assert node["codeDiscount"] == {
        "title": "Five off",
        "status": "ACTIVE",
        "usageLimit": 1,
        "appliesOncePerCustomer": True,
        "startsAt": "2026-11-21T12:00:00Z",
        "endsAt": "2026-12-21T12:00:00Z",
        "discountClasses": ["ORDER"],
        "asyncUsageCount": 0,
        "codes": {"nodes": [{"code": "LOY-1"}]},
        "context": {
            "__typename": "DiscountCustomers",
            "customers": [{"id": "gid://shopify/Customer/7"}],
        },
        "customerGets": {
            "value": {
                "__typename": "DiscountAmount",
                "amount": {"amount": "5.0", "currencyCode": "USD"},
                "appliesOnEachItem": False,
            },
            "items": {"__typename": "AllDiscountItems"},
        },
        "minimumRequirement": {"greaterThanOrEqualToSubtotal": {"amount": "20.0"}},
    }


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"code": "loy-0"}, "TAKEN", ["code"]),
        ({"code": " "}, "BLANK", ["code"]),
        ({"title": ""}, "BLANK", ["title"]),
        ({"startsAt": None}, "BLANK", ["startsAt"]),
        ({"endsAt": "2026-11-21T11:00:00Z"}, "INVALID", ["endsAt"]),
        ({"usageLimit": 0}, "GREATER_THAN", ["usageLimit"]),
        (
            {"context": {"customers": {"add": ["gid://shopify/Customer/8"]}}},
            "INVALID",
            ["context", "customers", "add"],
        ),
        (
            {"customerGets": {"items": {"all": True}, "value": {"percentage": 10.0}}},
            "VALUE_OUTSIDE_RANGE",
            ["customerGets", "value", "percentage"],
        ),
        (
            {"customerGets": {"items": {"all": True}, "value": {"discountAmount": {"amount": 0}}}},
            "VALUE_OUTSIDE_RANGE",
            ["customerGets", "value", "discountAmount", "amount"],
        ),
        (
            {
                "customerGets": {
                    "items": {"products": {"productsToAdd": ["gid://shopify/Product/1"]}},
                    "value": {"percentage": 0.1},
                }
            },
            "INVALID",
            ["customerGets", "items", "products", "productsToAdd"],
        ),
    ],
)
async def test_a_discount_that_shopify_would_not_make_is_not_made(
    api: Api, changes: dict[str, Any], code: str, field: list[str]
) -> None:
    await made(api, code="LOY-0")
    answer = (await api.data(BASIC, input=basic(api, **changes)))["discountCodeBasicCreate"]
    (error,) = answer["userErrors"]
    assert (error["code"], error["field"]) == (code, ["basicCodeDiscount", *field])
    assert answer["codeDiscountNode"] is None
    assert len(api.shop.discounts) == 1


async def test_all_that_is_wrong_with_a_discount_is_said_at_once(api: Api) -> None:
    answer = await api.data(BASIC, input=basic(api, title="", usageLimit=-1, code=""))
    errors = answer["discountCodeBasicCreate"]["userErrors"]
    assert {each["field"][-1] for each in errors} == {"title", "code", "usageLimit"}


async def test_a_code_is_found_whatever_its_case_and_ends(api: Api) -> None:
    node = await made(api)
    find = """query find($code: String!) { codeDiscountNodeByCode(code: $code) {
      id codeDiscount { ... on DiscountCodeBasic { status } } } }"""
    found = (await api.data(find, code="loy-1"))["codeDiscountNodeByCode"]
    assert found == {"id": node["id"], "codeDiscount": {"status": "ACTIVE"}}
    assert (await api.data(find, code="LOY-2"))["codeDiscountNodeByCode"] is None

    by_id = """query one($id: ID!) { discountNode(id: $id) {
      discount { ... on DiscountCodeBasic { title } } } codeDiscountNode(id: $id) { id } }"""
    both = await api.data(by_id, id=node["id"])
    assert both["discountNode"] == {"discount": {"title": "Five off"}}
    assert both["codeDiscountNode"] == {"id": node["id"]}

    end = """mutation end($id: ID!) { discountCodeDeactivate(id: $id) {
      codeDiscountNode { codeDiscount { ... on DiscountCodeBasic { status endsAt } } }
      userErrors { code field } } }"""
    ended = (await api.data(end, id=node["id"]))["discountCodeDeactivate"]
    assert ended["codeDiscountNode"]["codeDiscount"] == {
        "status": "EXPIRED",
        "endsAt": "2026-11-21T12:00:00Z",
    }
    # Its code stays taken until it is deleted.
    answer = (await api.data(BASIC, input=basic(api)))["discountCodeBasicCreate"]
    assert answer["userErrors"][0]["code"] == "TAKEN"
    delete = """mutation gone($id: ID!) { discountCodeDelete(id: $id) {
      deletedCodeDiscountId userErrors { code field } } }"""
    assert (await api.data(delete, id=node["id"]))["discountCodeDelete"] == {
        "deletedCodeDiscountId": node["id"],
        "userErrors": [],
    }
    assert (await api.data(find, code="LOY-1"))["codeDiscountNodeByCode"] is None
    for mutation, name in ((end, "discountCodeDeactivate"), (delete, "discountCodeDelete")):
        (error,) = (await api.data(mutation, id=node["id"]))[name]["userErrors"]
        assert error["field"] == ["id"]
    await made(api)


async def test_discounts_are_told_by_time(api: Api) -> None:
    node = await made(api, startsAt=(api.now + timedelta(hours=1)).isoformat())
    assert node["codeDiscount"]["status"] == "SCHEDULED"
    listed = 'query { codeDiscountNodes(first: 5, query: "status:%s") { nodes { id } } }'
    for hours, status in ((0, "scheduled"), (2, "active"), (24 * 31, "expired")):
        api.later(hours=hours)
        found = (await api.data(listed % status))["codeDiscountNodes"]["nodes"]
        assert found == [{"id": node["id"]}]


async def test_free_shipping_and_a_free_product(api: Api) -> None:
    api.shop.hear("products/create", product(11))
    common = {
        "title": "A gift",
        "startsAt": api.now.isoformat(),
        "usageLimit": 1,
        "context": {"all": "ALL"},
    }
    shipping = """mutation s($input: DiscountCodeFreeShippingInput!) {
      discountCodeFreeShippingCreate(freeShippingCodeDiscount: $input) {
        codeDiscountNode { codeDiscount { ... on DiscountCodeFreeShipping {
          discountClasses destinationSelection { ... on DiscountCountryAll { allCountries } }
          context { __typename } } } }
        userErrors { code field } } }"""
    given = {**common, "code": "SHIP", "destination": {"all": True}}
    answer = (await api.data(shipping, input=given))["discountCodeFreeShippingCreate"]
    assert answer["codeDiscountNode"]["codeDiscount"] == {
        "discountClasses": ["SHIPPING"],
        "destinationSelection": {"allCountries": True},
        "context": {"__typename": "DiscountBuyerSelectionAll"},
    }
    wrong = {**given, "code": "SHIP2", "combinesWith": {"shippingDiscounts": True}}
    (error,) = (await api.data(shipping, input=wrong))["discountCodeFreeShippingCreate"][
        "userErrors"
    ]
    assert error["code"] == "INVALID_COMBINES_WITH_FOR_DISCOUNT_CLASS"

    bxgy = """mutation b($input: DiscountCodeBxgyInput!) {
      discountCodeBxgyCreate(bxgyCodeDiscount: $input) {
        codeDiscountNode { codeDiscount { ... on DiscountCodeBxgy {
          customerBuys { value { ... on DiscountQuantity { quantity } } }
          customerGets { items { ... on DiscountProducts { products(first: 1) { nodes { id } } } }
            value { ... on DiscountOnQuantity { quantity { quantity }
              effect { ... on DiscountPercentage { percentage } } } } } } } }
        userErrors { code field message } } }"""
    items = {"products": {"productsToAdd": ["gid://shopify/Product/11"]}}
    free = {"discountOnQuantity": {"quantity": "1", "effect": {"percentage": 1.0}}}
    given = {
        **common,
        "code": "FREE",
        "customerBuys": {"items": items, "value": {"quantity": "1"}},
        "customerGets": {"items": items, "value": free},
    }
    answer = (await api.data(bxgy, input=given))["discountCodeBxgyCreate"]
    assert answer["codeDiscountNode"]["codeDiscount"] == {
        "customerBuys": {"value": {"quantity": "1"}},
        "customerGets": {
            "items": {"products": {"nodes": [{"id": "gid://shopify/Product/11"}]}},
            "value": {"quantity": {"quantity": "1"}, "effect": {"percentage": 1.0}},
        },
    }
    wrong = {**given, "code": "FREE2", "customerGets": {"items": {"all": True}, "value": free}}
    (error,) = (await api.data(bxgy, input=wrong))["discountCodeBxgyCreate"]["userErrors"]
    assert error["message"] == "Items in 'customer get' cannot be set to all"


def product(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "title": f"Thing {number}",
        "handle": f"thing-{number}",
        "created_at": "2026-01-01T00:00:00-05:00",
        "updated_at": "2026-01-01T00:00:00-05:00",
        "variants": [{"id": number * 10, "title": "Regular", "price": "12.50", "sku": "T"}],
    } | changes


CARD = """mutation card($input: GiftCardCreateInput!) { giftCardCreate(input: $input) {
  giftCard { id lastCharacters enabled expiresOn balance { amount currencyCode } customer { id } }
  giftCardCode userErrors { field code message } } }"""


async def test_a_gift_card_is_made_and_deactivated(api: Api) -> None:
    given = {
        "initialAmount": {"amount": "25", "currencyCode": "USD"},
        "customerId": "gid://shopify/Customer/7",
        "expiresOn": "2027-11-21",
    }
    answer = (await api.data(CARD, input=given))["giftCardCreate"]
    card, code = answer["giftCard"], answer["giftCardCode"]
    assert len(code) == 16
    assert card["lastCharacters"] == code[-4:]
    assert (card["enabled"], card["expiresOn"]) == (True, "2027-11-21")
    assert card["balance"] == {"amount": "25.0", "currencyCode": "USD"}
    assert card["customer"] == {"id": "gid://shopify/Customer/7"}
    end = """mutation end($id: ID!) { giftCardDeactivate(id: $id) {
      giftCard { enabled deactivatedAt } userErrors { code } } }"""
    ended = (await api.data(end, id=card["id"]))["giftCardDeactivate"]
    assert ended["giftCard"] == {"enabled": False, "deactivatedAt": "2026-11-21T12:00:00Z"}
    gone = (await api.data(end, id="gid://shopify/GiftCard/1"))["giftCardDeactivate"]
    assert gone["userErrors"] == [{"code": "GIFT_CARD_NOT_FOUND"}]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"initialAmount": {"amount": "0", "currencyCode": "USD"}}, "GREATER_THAN"),
        ({"initialAmount": {"amount": "9999", "currencyCode": "USD"}}, "GIFT_CARD_LIMIT_EXCEEDED"),
        ({"code": "short"}, "TOO_SHORT"),
        ({"code": "much-too-good"}, "INVALID"),
        ({"code": "Taken1234"}, "TAKEN"),
        ({"customerId": "gid://shopify/Customer/8"}, "CUSTOMER_NOT_FOUND"),
        ({"expiresOn": "2026-11-20"}, "INVALID"),
    ],
)
async def test_a_gift_card_that_shopify_would_not_make_is_not_made(
    api: Api, changes: dict[str, Any], code: str
) -> None:
    good = {"initialAmount": {"amount": "5", "currencyCode": "USD"}}
    await api.data(CARD, input={**good, "code": "taken1234"})
    answer = (await api.data(CARD, input=good | changes))["giftCardCreate"]
    assert [each["code"] for each in answer["userErrors"]] == [code]
    assert answer["giftCard"] is None
    assert len(api.shop.gift_cards) == 1


CREDIT = """mutation credit($id: ID!, $input: StoreCreditAccountCreditInput!) {
  storeCreditAccountCredit(id: $id, creditInput: $input) {
    storeCreditAccountTransaction { id amount { amount currencyCode } expiresAt
      balanceAfterTransaction { amount } account { id owner { ... on Customer { id } } } }
    userErrors { field code message } } }"""
DEBIT = """mutation debit($id: ID!, $input: StoreCreditAccountDebitInput!) {
  storeCreditAccountDebit(id: $id, debitInput: $input) {
    storeCreditAccountTransaction { amount { amount } balanceAfterTransaction { amount } }
    userErrors { field code } } }"""
SEVEN = "gid://shopify/Customer/7"


def usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currencyCode": "USD"}


async def test_store_credit_comes_and_goes(api: Api) -> None:
    first = (await api.data(CREDIT, id=SEVEN, input={"creditAmount": usd("10")}))[
        "storeCreditAccountCredit"
    ]
    account = first["storeCreditAccountTransaction"]["account"]
    assert account["owner"] == {"id": SEVEN}
    ends = (api.now + timedelta(days=1)).isoformat()
    second = (
        await api.data(
            CREDIT, id=account["id"], input={"creditAmount": usd("2.50"), "expiresAt": ends}
        )
    )["storeCreditAccountCredit"]["storeCreditAccountTransaction"]
    assert second["balanceAfterTransaction"] == {"amount": "12.5"}
    assert second["account"]["id"] == account["id"]
    spent = (await api.data(DEBIT, id=SEVEN, input={"debitAmount": usd("1")}))[
        "storeCreditAccountDebit"
    ]["storeCreditAccountTransaction"]
    assert spent == {"amount": {"amount": "-1.0"}, "balanceAfterTransaction": {"amount": "11.5"}}
    api.later(days=1)
    seen = await api.data(
        """query seen($id: ID!) { customer(id: $id) { storeCreditAccounts(first: 5) { nodes {
          balance { amount currencyCode } transactions(first: 5, sortKey: CREATED_AT) { nodes {
            __typename amount { amount } } } } } } }""",
        id=SEVEN,
    )
    (there,) = seen["customer"]["storeCreditAccounts"]["nodes"]
    # What ended first was spent first, and what was left of it is gone.
    assert there["balance"] == usd("10.0")
    assert [each["amount"]["amount"] for each in there["transactions"]["nodes"]] == [
        "10.0",
        "2.5",
        "-1.0",
    ]


@pytest.mark.parametrize(
    ("mutation", "who", "given", "code"),
    [
        (CREDIT, SEVEN, {"creditAmount": usd("-1")}, "NEGATIVE_OR_ZERO_AMOUNT"),
        (CREDIT, "gid://shopify/Customer/8", {"creditAmount": usd("1")}, "OWNER_NOT_FOUND"),
        (
            CREDIT,
            "gid://shopify/StoreCreditAccount/8",
            {"creditAmount": usd("1")},
            "ACCOUNT_NOT_FOUND",
        ),
        (CREDIT, SEVEN, {"creditAmount": usd("15000")}, "CREDIT_LIMIT_EXCEEDED"),
        (
            CREDIT,
            SEVEN,
            {"creditAmount": usd("1"), "expiresAt": "2026-11-21T11:59:59Z"},
            "EXPIRES_AT_IN_PAST",
        ),
        (DEBIT, SEVEN, {"debitAmount": usd("5.01")}, "INSUFFICIENT_FUNDS"),
        (
            DEBIT,
            SEVEN,
            {"debitAmount": {"amount": "1", "currencyCode": "EUR"}},
            "ACCOUNT_NOT_FOUND",
        ),
    ],
)
async def test_store_credit_that_shopify_would_refuse_is_refused(
    api: Api, mutation: str, who: str, given: dict[str, Any], code: str
) -> None:
    await api.data(CREDIT, id=SEVEN, input={"creditAmount": usd("5")})
    (answer,) = (await api.data(mutation, id=who, input=given)).values()
    assert [each["code"] for each in answer["userErrors"]] == [code]
    assert answer["storeCreditAccountTransaction"] is None
    (account,) = api.shop.credit.values()
    assert account.balance(api.now) == 5


async def test_another_currency_than_the_accounts_is_refused(api: Api) -> None:
    made = await api.data(CREDIT, id=SEVEN, input={"creditAmount": usd("5")})
    account = made["storeCreditAccountCredit"]["storeCreditAccountTransaction"]["account"]["id"]
    given = {"creditAmount": {"amount": "1", "currencyCode": "EUR"}}
    (error,) = (await api.data(CREDIT, id=account, input=given))["storeCreditAccountCredit"][
        "userErrors"
    ]
    assert error["code"] == "MISMATCHING_CURRENCY"


META = """mutation m($given: [MetafieldsSetInput!]!) { metafieldsSet(metafields: $given) {
  metafields { namespace key value type compareDigest }
  userErrors { field code elementIndex } } }"""


def metafield(**changes: Any) -> dict[str, Any]:
    return {
        "ownerId": SEVEN,
        "namespace": "loyalnest",
        "key": "points",
        "type": "number_integer",
        "value": "42",
    } | changes


async def test_metafields_are_set_all_or_none(api: Api) -> None:
    (made,) = (await api.data(META, given=[metafield()]))["metafieldsSet"]["metafields"]
    assert (made["namespace"], made["key"], made["value"]) == ("loyalnest", "points", "42")
    # The type is known by now.
    again = metafield(value="43")
    del again["type"]
    await api.data(META, given=[again])
    read = """query read($id: ID!) { customer(id: $id) {
      metafield(namespace: "loyalnest", key: "points") { value jsonValue }
      metafields(first: 5) { nodes { key } } } }"""
    seen = (await api.data(read, id=SEVEN))["customer"]
    assert seen["metafield"]["value"] == "43"
    assert seen["metafields"]["nodes"] == [{"key": "points"}]

    both = [metafield(value="44"), metafield(key="tier", type="number_integer", value="Gold")]
    answer = (await api.data(META, given=both))["metafieldsSet"]
    assert answer["userErrors"] == [
        {"field": ["metafields", "1", "value"], "code": "INVALID_VALUE", "elementIndex": 1}
    ]
    assert (await api.data(read, id=SEVEN))["customer"]["metafield"]["value"] == "43"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ([metafield(key=f"k{n}") for n in range(26)], "LESS_THAN_OR_EQUAL_TO"),
        ([metafield(ownerId="gid://shopify/Customer/8")], "INVALID"),
        ([metafield(type="wish")], "INCLUSION"),
        ([metafield(type=None)], "BLANK"),
        ([metafield(value="")], "BLANK"),
        ([metafield(compareDigest="made up")], "STALE_OBJECT"),
    ],
)
async def test_metafields_that_shopify_would_refuse_are_refused(
    api: Api, given: list[dict[str, Any]], code: str
) -> None:
    answer = (await api.data(META, given=given))["metafieldsSet"]
    assert [each["code"] for each in answer["userErrors"]] == [code]
    assert api.shop.metafields == {}


async def test_a_webhook_is_subscribed_to_once(api: Api) -> None:
    subscribe = """mutation s($uri: String!) {
      webhookSubscriptionCreate(topic: ORDERS_CREATE, webhookSubscription: {uri: $uri}) {
        webhookSubscription { id uri topic format } userErrors { field message } } }"""
    first = (await api.data(subscribe, uri="https://app.example/w"))["webhookSubscriptionCreate"]
    assert first["webhookSubscription"]["topic"] == "ORDERS_CREATE"
    for uri, message in (
        ("https://app.example/w", "Address for this topic has already been taken"),
        ("http://app.example/w", "Address is invalid"),
    ):
        answer = (await api.data(subscribe, uri=uri))["webhookSubscriptionCreate"]
        assert [each["message"] for each in answer["userErrors"]] == [message]
    listed = "query { webhookSubscriptions(first: 9, topics: [ORDERS_CREATE]) { nodes { uri } } }"
    (only,) = (await api.data(listed))["webhookSubscriptions"]["nodes"]
    assert only == {"uri": "https://app.example/w"}
    delete = """mutation d($id: ID!) { webhookSubscriptionDelete(id: $id) {
      deletedWebhookSubscriptionId userErrors { message } } }"""
    await api.data(delete, id=first["webhookSubscription"]["id"])
    assert api.shop.subscriptions == {}


@pytest.mark.parametrize(
    ("mutation", "name"),
    [
        (BASIC, "discountCodeBasicCreate"),
        (CREDIT, "storeCreditAccountCredit"),
        (CARD, "giftCardCreate"),
    ],
)
async def test_nothing_is_made_without_the_scope_for_it(api: Api, mutation: str, name: str) -> None:
    api.log_in("read_discounts", "read_customers", "read_gift_cards", "read_store_credit_accounts")
    given: dict[str, Any] = {
        "discountCodeBasicCreate": basic(api),
        "storeCreditAccountCredit": {"creditAmount": usd("1")},
        "giftCardCreate": {"initialAmount": usd("1")},
    }[name]
    more = {"id": SEVEN} if mutation is CREDIT else {}
    code, words = await api.refusal(mutation, input=given, **more)
    assert code == "ACCESS_DENIED"
    assert words.startswith(f"Access denied for {name} field. Required access: `write_")
    assert [*api.shop.discounts, *api.shop.credit, *api.shop.gift_cards] == []
