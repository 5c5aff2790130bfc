"""What else apps make in the demo shop: as Shopify makes it, and refused as Shopify refuses it."""

from datetime import timedelta
from typing import Any

import pytest

from tests.demo_shop.admin_graphql import Api
from tests.demo_shop.discounts import BASIC, basic


@pytest.fixture
def api(api: Api) -> Api:
    api.shop.add_customer(7, email="seven@example.com")
    return api


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
