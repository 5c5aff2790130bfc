"""How often the Admin API is asked, what is safe to repeat, and what is made of bad answers."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from adapters.shopify.admin import client as clients
from adapters.shopify.admin import exchange
from adapters.shopify.admin.circuits import (
    ALL_FAILURES,
    FIRST_SECONDS,
    MOST_SECONDS,
    SHOP_FAILURES,
    Circuits,
)
from adapters.shopify.admin.client import AdminClient
from adapters.shopify.admin.codes import CREATE_BASIC
from adapters.shopify.admin.documents import Question, Repeat
from adapters.shopify.admin.errors import (
    AccessDenied,
    AnswerLost,
    Misunderstood,
    NotAsked,
)
from adapters.shopify.admin.shop import SHOP_DETAILS, ShopFound
from adapters.shopify.version import API_VERSION
from contracts.installs import AccessLost, ShopifyUnavailable
from domain.errors import Busy, NotFound, Unavailable
from infra.embedded.ports import free_port
from ports.shopify_limits import Lane, Level
from tests.adapters.shopify.admin.scripted import (
    MERCHANT,
    Auth,
    Breaks,
    Hangs,
    Reply,
    Said,
    Scripted,
    Unlimited,
    answered,
    client_of,
    failed,
    scripted,
)

DETAILS = {"shop": {"currencyCode": "JPY", "ianaTimezone": "Asia/Tokyo"}}
FINE = answered(DETAILS)
PAY = Question("mutation Pay { shop { name } }", ShopFound, 10, Repeat.NEVER)


@pytest.fixture
async def shop() -> AsyncIterator[Scripted]:
    async with scripted() as one:
        yield one


@pytest.fixture
def auth() -> Auth:
    return Auth()


@pytest.fixture
def limits() -> Unlimited:
    return Unlimited()


@pytest.fixture
async def client(shop: Scripted, auth: Auth, limits: Unlimited) -> AsyncIterator[AdminClient]:
    async with client_of(shop.base, auth, limits) as one:
        yield one


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_FIRST_PAUSE", 0.002)


async def ask(client: AdminClient, **how: Any) -> str:
    return (await client.ask(MERCHANT, SHOP_DETAILS, {}, **how)).shop.currency_code


async def pay(client: AdminClient, **how: Any) -> None:
    await client.ask(MERCHANT, PAY, {}, **how)


async def test_a_question_its_answer_and_what_it_has_cost(
    shop: Scripted, client: AdminClient, auth: Auth, limits: Unlimited
) -> None:
    shop.replies.append(answered(DETAILS, available=1234.5, actual=3))
    assert await ask(client) == "JPY"
    (asked,) = shop.asked
    assert asked.path == f"/one.myshopify.com/admin/api/{API_VERSION}/graphql.json"
    assert (asked.token, asked.query, asked.variables) == ("shpat_1", SHOP_DETAILS.text, {})
    assert limits.settled == [(1.0, 3.0, Level(1234.5, 2000, 100))]
    assert len(auth.calls) == 1


async def test_a_token_is_kept_until_it_ends(
    shop: Scripted, client: AdminClient, auth: Auth
) -> None:
    shop.otherwise = lambda _: FINE
    await asyncio.gather(*(ask(client) for _ in range(10)))
    assert len(auth.calls) == 1
    auth.lives = timedelta(seconds=50)  # too short to begin with it
    client._means.access._kept.clear()
    await ask(client)
    await ask(client)
    assert len(auth.calls) == 3


async def test_a_refused_token_is_renewed_once(
    shop: Scripted, client: AdminClient, auth: Auth
) -> None:
    refused = Said({"errors": "[API] Invalid API key or access token"}, 401)
    shop.replies.extend([refused, FINE])
    assert await ask(client) == "JPY"
    assert [each.token for each in shop.asked] == ["shpat_1", "shpat_2"]
    assert [each.refused_version for each in auth.calls] == [0, 1]
    shop.replies.extend([refused, refused])
    with pytest.raises(AccessLost):
        await ask(client)


@pytest.mark.parametrize(
    ("said", "raised"),
    [
        (AccessLost(), AccessLost),
        (NotFound(), AccessLost),  # the shop has removed the app
        (ShopifyUnavailable(), NotAsked),
        (Busy(), NotAsked),
        (Unavailable(), Unavailable),
    ],
)
async def test_without_access_nothing_is_asked(
    shop: Scripted, client: AdminClient, auth: Auth, said: Exception, raised: type[Exception]
) -> None:
    auth.error = said
    with pytest.raises(raised):
        await ask(client)
    assert shop.asked == []
    auth.error = None
    shop.replies.append(FINE)
    assert await ask(client) == "JPY"


THROTTLED = failed("THROTTLED", maximumAvailable=2000, currentlyAvailable=9, restoreRate=100)


async def test_a_throttled_question_waits_as_long_as_the_bucket_needs(
    shop: Scripted, client: AdminClient, limits: Unlimited
) -> None:
    shop.replies.extend([THROTTLED, FINE])
    began = asyncio.get_running_loop().time()
    assert await ask(client) == "JPY"
    assert asyncio.get_running_loop().time() - began >= 0.05
    # What was taken for the first try came back: it was not done.
    assert limits.settled[0] == (1.0, 0.0, Level(9, 2000, 100))


async def test_what_was_throttled_was_not_done_so_anything_may_repeat_it(
    shop: Scripted, client: AdminClient
) -> None:
    shop.replies.extend([THROTTLED, Said("slow down", 429, {"Retry-After": "0.01"}), FINE])
    await pay(client)
    assert len(shop.asked) == 3


async def test_nobody_waits_longer_than_they_have(shop: Scripted, client: AdminClient) -> None:
    empty = failed("THROTTLED", maximumAvailable=2000, currentlyAvailable=0, restoreRate=0.1)
    shop.replies.append(empty)
    began = asyncio.get_running_loop().time()
    with pytest.raises(NotAsked):
        await ask(client, within=0.5)
    assert asyncio.get_running_loop().time() - began < 0.4


LOST: list[Any] = [
    pytest.param(Said("", 500), id="500"),
    pytest.param(Said("", 502), id="502"),
    pytest.param(Said("", 503), id="503"),
    pytest.param(Said("", 302, {"Location": "/"}), id="redirect"),
    pytest.param(Said(b"<html>"), id="html"),
    pytest.param(Said(b""), id="empty"),
    pytest.param(Said([]), id="list"),
    pytest.param(Said({}), id="nothing"),
    pytest.param(Said({"data": None}), id="null"),
    pytest.param(Said({"data": {"shop": {"currencyCode": 7}}}), id="shape"),
    pytest.param(Said(b"[" * 20_000), id="deep"),
    pytest.param(Said(b'{"data": "\xff"}'), id="no-text"),
    pytest.param(failed("INTERNAL_SERVER_ERROR"), id="internal"),
    pytest.param(failed("UNHEARD_OF", DETAILS), id="partly"),
    pytest.param(failed("ACCESS_DENIED", DETAILS), id="partly-denied"),
    pytest.param(Breaks(), id="breaks"),
    pytest.param(Breaks(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), id="breaks-off"),
]


@pytest.mark.parametrize("reply", LOST)
async def test_a_lost_answer_is_asked_for_again_where_that_is_harmless(
    shop: Scripted, client: AdminClient, reply: Reply
) -> None:
    shop.replies.extend([reply, reply, FINE])
    assert await ask(client) == "JPY"
    assert len(shop.asked) == 3
    shop.replies.extend([reply] * 4)
    with pytest.raises(AnswerLost):
        await ask(client)
    assert len(shop.asked) == 7


@pytest.mark.parametrize("reply", LOST)
async def test_what_must_not_be_done_twice_is_asked_once(
    shop: Scripted, client: AdminClient, reply: Reply
) -> None:
    shop.replies.extend([reply, FINE])
    with pytest.raises(AnswerLost):
        await pay(client)
    assert len(shop.asked) == 1


async def test_no_answer_in_time_is_a_lost_one(shop: Scripted, client: AdminClient) -> None:
    shop.replies.append(Hangs())
    with pytest.raises(AnswerLost):
        await pay(client, within=0.1)


async def test_a_body_without_end_is_not_read(
    shop: Scripted, client: AdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "MOST_BYTES", 10_000)
    shop.replies.extend([Said({"data": DETAILS, "more": "x" * 20_000}), FINE])
    assert await ask(client) == "JPY"
    assert len(shop.asked) == 2


async def test_where_nobody_listens_nothing_was_done(auth: Auth) -> None:
    async with client_of(f"http://127.0.0.1:{free_port(set())}/{{shop}}", auth) as nowhere:
        with pytest.raises(NotAsked):
            await pay(nowhere)


@pytest.mark.parametrize(
    ("reply", "raised"),
    [
        (failed("ACCESS_DENIED"), AccessDenied),
        (failed("ACCESS_DENIED", {"shop": None}), AccessDenied),
        (Said("", 403), AccessDenied),
        (Said("", 402), NotAsked),
        (Said("", 423), NotAsked),
        (failed("SHOP_INACTIVE"), NotAsked),
        (failed("undefinedField"), Misunderstood),
        (Said({"errors": "Bad Request"}, 400), Misunderstood),
        (Said({"errors": [{"message": "Parse error"}]}), Misunderstood),
        (Said({"errors": "Not Found"}), Misunderstood),
    ],
)
async def test_a_clear_no_is_not_asked_for_twice(
    shop: Scripted, client: AdminClient, reply: Reply, raised: type[Exception]
) -> None:
    shop.replies.extend([reply, FINE])
    with pytest.raises(raised):
        await ask(client)
    assert len(shop.asked) == 1


async def test_no_secret_is_in_what_is_raised_or_logged(
    shop: Scripted, client: AdminClient, caplog: pytest.LogCaptureFixture
) -> None:
    told = Said({"errors": [{"message": "shpat_1 jane@example.com"}]})
    for reply in (told, Said(b"shpat_1 jane@example.com", 500)):
        shop.replies.append(reply)
        with caplog.at_level("DEBUG"), pytest.raises((Misunderstood, AnswerLost)) as raised:
            await client.ask(MERCHANT, PAY, {"code": "LOY-SECRET"})
        assert "jane" not in repr(raised.value) + str(raised.value)
    assert "shpat" not in caplog.text
    assert "jane" not in caplog.text
    assert "LOY-SECRET" not in caplog.text


# --- while it is down -----------------------------------------------------------------------------


async def test_a_shop_that_does_not_answer_is_left_alone(
    shop: Scripted, client: AdminClient
) -> None:
    shop.otherwise = lambda _: Said("", 500)
    for _ in range(2):
        with pytest.raises(AnswerLost):
            await ask(client)
    count = len(shop.asked)
    assert count == SHOP_FAILURES  # then not even the repeats went out
    with pytest.raises(NotAsked):
        await ask(client)
    assert len(shop.asked) == count


class Watch:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_circuits_open_are_probed_and_close() -> None:
    watch = Watch()
    circuits = Circuits(watch, lambda: 0.5)
    one, other = MERCHANT, type(MERCHANT)(int=8)
    for _ in range(SHOP_FAILURES):
        circuits.pass_one(one, 8)
        circuits.failed(one)
    with pytest.raises(NotAsked):
        circuits.pass_one(one, 8)
    circuits.pass_one(other, 8)  # is another shop

    watch.now = FIRST_SECONDS
    circuits.pass_one(one, 8)
    with pytest.raises(NotAsked):  # one finds out for all
        circuits.pass_one(one, 8)
    circuits.failed(one)
    watch.now += 2 * FIRST_SECONDS - 0.1
    with pytest.raises(NotAsked):
        circuits.pass_one(one, 8)
    watch.now += 0.1
    circuits.pass_one(one, 8)
    watch.now += 8  # whoever was to find out never came back
    circuits.pass_one(one, 8)
    circuits.answered(one)
    circuits.pass_one(one, 8)
    circuits.failed(one)
    circuits.pass_one(one, 8)  # one failure is none


def test_when_all_shops_fail_shopify_is_down() -> None:
    watch = Watch()
    circuits = Circuits(watch, lambda: 0.5)
    shops = [type(MERCHANT)(int=number) for number in range(ALL_FAILURES)]
    for each in shops:
        circuits.pass_one(each, 8)
        circuits.failed(each)
    with pytest.raises(NotAsked):
        circuits.pass_one(type(MERCHANT)(int=1000), 8)
    for _ in range(20):
        circuits.failed(shops[0])
    watch.now = 1.25 * MOST_SECONDS  # it never waits longer
    circuits.pass_one(shops[1], 8)
    circuits.answered(shops[1])
    circuits.pass_one(shops[2], 8)


async def test_bulk_work_says_that_it_is(shop: Scripted, auth: Auth) -> None:
    lanes: list[Lane] = []

    class Noting(Unlimited):
        async def take(self, merchant_id: Any, cost: float, lane: Lane) -> float:
            lanes.append(lane)
            return 0 if len(lanes) > 1 else 0.01

    shop.otherwise = lambda _: FINE
    async with client_of(shop.base, auth, Noting()) as client:
        await ask(client, lane=Lane.BULK)
    assert lanes == [Lane.BULK, Lane.BULK]  # waited once


def test_only_money_is_never_asked_for_twice() -> None:
    assert CREATE_BASIC.repeat is Repeat.HARMLESS
