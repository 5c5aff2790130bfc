"""Webhook subscriptions that the app makes for itself."""

from collections.abc import Iterator
from typing import Any, Final

from infra.demo_shop.admin.api.errors import UserError, done, refused
from infra.demo_shop.admin.api.ids import number_in
from infra.demo_shop.admin.api.pages import Listing, connection
from infra.demo_shop.admin.api.records import Subscription
from infra.demo_shop.admin.api.views import Arguments, Ask, Resolver, View, gid, instant

_TYPE: Final = "WebhookSubscription"
_ERROR: Final = "UserError"
_WAYS: Final = ("https://", "pubsub://", "arn:aws:events:")


def subscription_view(subscription: Subscription) -> View:
    given = subscription.given
    return View(
        _TYPE,
        {
            "id": gid(_TYPE, subscription.number),
            "legacyResourceId": str(subscription.number),
            "topic": subscription.topic,
            "uri": subscription.uri,
            "format": given.get("format") or "JSON",
            "filter": given.get("filter"),
            "includeFields": list(given.get("includeFields") or ()),
            "metafieldNamespaces": list(given.get("metafieldNamespaces") or ()),
            "name": given.get("name"),
            "createdAt": instant(subscription.created_at),
            "updatedAt": instant(subscription.created_at),
        },
    )


def _problems(ask: Ask, topic: str, uri: str) -> Iterator[UserError]:
    way = ("webhookSubscription", "callbackUrl")
    if not uri:
        yield UserError(way, "Address can't be blank")
    elif not uri.startswith(_WAYS):
        yield UserError(way, "Address is invalid")
    elif any((each.topic, each.uri) == (topic, uri) for each in ask.shop.subscriptions.values()):
        yield UserError(way, "Address for this topic has already been taken")


def _create(ask: Ask, args: Arguments) -> View:
    payload = "WebhookSubscriptionCreatePayload"
    given: dict[str, Any] = args["webhookSubscription"]
    uri = given.get("uri") or given.get("callbackUrl") or ""
    if errors := list(_problems(ask, args["topic"], uri)):
        return refused(payload, _ERROR, errors, "webhookSubscription")
    number = ask.shop.numbers.next()
    subscription = Subscription(number, args["topic"], uri, given, ask.now)
    ask.shop.subscriptions.put(number, subscription)
    return done(payload, webhookSubscription=subscription_view(subscription))


def _delete(ask: Ask, args: Arguments) -> View:
    payload = "WebhookSubscriptionDeletePayload"
    number = number_in(args["id"], _TYPE)
    if ask.shop.subscriptions.pop(number, None) is None:
        error = UserError(("id",), "Webhook subscription does not exist")
        return refused(payload, _ERROR, [error], "deletedWebhookSubscriptionId")
    return done(payload, deletedWebhookSubscriptionId=args["id"])


def _list(ask: Ask, args: Arguments) -> View:
    topics, uri = args.get("topics"), args.get("uri") or args.get("callbackUrl")
    found = [
        each
        for each in ask.shop.subscriptions.values()
        if (not topics or each.topic in topics) and (not uri or each.uri == uri)
    ]
    return connection(ask, args, found, SUBSCRIPTIONS)


SUBSCRIPTIONS: Final = Listing(
    _TYPE,
    subscription_view,
    lambda subscription: subscription.number,
    lambda shop, number: shop.subscriptions.get(number),
    {"CREATED_AT": lambda subscription: subscription.created_at.timestamp()},
)
SUBSCRIPTION_QUERIES: Final[dict[str, Resolver]] = {"webhookSubscriptions": _list}
SUBSCRIPTION_MUTATIONS: Final[dict[str, Resolver]] = {
    "webhookSubscriptionCreate": _create,
    "webhookSubscriptionDelete": _delete,
}
