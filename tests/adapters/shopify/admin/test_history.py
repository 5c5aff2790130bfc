"""What was before the shop came is told as its webhooks would have told it."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import msgspec
import pytest
from graphql import parse, validate

from adapters.shopify.admin import bulk
from adapters.shopify.admin import client as clients
from adapters.shopify.admin.bulk import BulkExports, Line, grouped
from adapters.shopify.admin.client import AdminClient
from adapters.shopify.admin.errors import Misunderstood, NotAsked
from adapters.shopify.admin.exports import export_of
from adapters.shopify.admin.history import ShopifyHistory
from adapters.shopify.webhooks import WebhookTranslator
from adapters.system import SystemClock
from contracts.contact import Contact
from contracts.kit import Body
from contracts.shop import CustomerRecord, Order
from domain.scopes import REQUIRED_SCOPES
from infra.demo_shop.admin.api.shop import Shop
from infra.demo_shop.admin.credentials import App
from infra.demo_shop.admin.schema import admin_schema
from infra.demo_shop.admin.server import Admin
from infra.embedded.ports import free_port
from ports.imports import Export, ExportBusy, ExportState, NotAllowed, Phase, Told
from ports.sealing import CONTACT, MerchantKey
from tests.adapters.shopify import samples
from tests.adapters.shopify.admin.scripted import MERCHANT, SHOP, Auth, client_of
from tests.conftest import eventually
from tests.keys import new_key

APP = App("our-client-id", "our secret", tuple(REQUIRED_SCOPES))
KEY = new_key(MERCHANT)


class Keys:
    async def of(self, merchant_id: UUID, sealed: Any = ()) -> MerchantKey:
        assert merchant_id == MERCHANT
        return KEY


class At:
    def __init__(self, admin: Admin, client: AdminClient, auth: Auth) -> None:
        self.admin = admin
        self.shop: Shop = admin.shops[SHOP]
        self.auth = auth
        self.since: datetime | None = None
        self.exports = BulkExports(client, admin.base)
        self.history = ShopifyHistory(self.exports, client, Keys(), samples.SEALER, SystemClock())

    def grant(self, *scopes: str) -> None:
        code = self.admin.grants.approve(SHOP, scopes)
        self.auth.token = self.admin.grants.by_code(SHOP, code).access_token

    async def exported(self, phase: Phase) -> Export:
        export_id = await self.history.begin(MERCHANT, phase, self.since)
        return await eventually(
            lambda: self.history.look(MERCHANT, export_id),
            lambda found: found.state is not ExportState.RUNNING,
        )

    async def told(self, phase: Phase, start: int = 0) -> list[Told]:
        export = await self.exported(phase)
        assert export.state is ExportState.COMPLETE
        reading = self.history.read(MERCHANT, phase, export.url, start, imported=True)
        return [each async for each in reading]


@pytest.fixture
async def at(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[At]:
    monkeypatch.setattr(clients, "_FIRST_PAUSE", 0.002)
    auth = Auth()
    async with (
        Admin(APP, free_port(set()), callbacks=["http://127.0.0.1:1/back"]) as admin,
        client_of(admin.base, auth) as client,
    ):
        one = At(admin, client, auth)
        one.shop.bulk_takes = (timedelta(0), timedelta(0.02 / 86_400))
        one.shop.hear("products/create", samples.PRODUCT)
        one.grant(*REQUIRED_SCOPES)
        yield one
        await one.history.close()


def by_webhook(topic: str, payload: dict[str, Any]) -> Body:
    context = samples.SHOP._replace(merchant_id=MERCHANT, key=KEY)
    body = msgspec.json.encode(payload)
    return WebhookTranslator(samples.SEALER).translate(topic, body, context)


def opened(body: Body | None) -> tuple[Body, Contact | None]:
    """The facts, and what is sealed: that is never twice alike."""
    if isinstance(body, Order):
        who = body.customer
        plain = msgspec.structs.replace(body, imported=False)
        if who is None:
            return plain, None
        without = msgspec.structs.replace(who, sealed_contact="")
        plain = msgspec.structs.replace(plain, customer=without)
        return plain, _contact(who.sealed_contact, who.customer_id)
    assert isinstance(body, CustomerRecord)
    plain_record = msgspec.structs.replace(body, sealed_contact="")
    return plain_record, _contact(body.sealed_contact, body.customer_id)


def _contact(sealed: str, about: UUID) -> Contact:
    plain = samples.SEALER.open(KEY, sealed, CONTACT, str(about))
    return msgspec.json.decode(plain, type=Contact)


def money(amount: str) -> dict[str, Any]:
    both = {"amount": amount, "currency_code": "USD"}
    return {"shop_money": both, "presentment_money": both}


def order(number: int, **changes: Any) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(samples.ORDER)
    lines = [dict(each) for each in told["line_items"]]
    lines[0]["id"] = number * 10
    told |= {"id": number, "name": f"#{number}", "line_items": lines}
    return told | changes


def refund(number: int, of: dict[str, Any], **changes: Any) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(json.dumps(samples.REFUND))
    told |= {"id": number, "order_id": of["id"]}
    line = told["refund_line_items"][0]
    line["line_item_id"] = line["line_item"]["id"] = of["line_items"][0]["id"]
    line["id"] = number * 10
    told["transactions"] = []
    return told | changes


GIFT: dict[str, Any] = {
    "id": 77,
    "product_id": None,
    "quantity": 1,
    "price": "50.00",
    "gift_card": True,
    "discount_allocations": [],
}


def orders() -> list[dict[str, Any]]:
    plain = order(1)
    guest = order(2, customer=None, email=None)
    gift = order(3, line_items=[*order(3)["line_items"], GIFT], subtotal_price="443.00")
    back = order(4, financial_status="partially_refunded")
    back["refunds"] = [refund(41, back), refund(42, back)]
    gone = order(5, cancelled_at="2026-11-21T08:09:03-05:00", financial_status="voided")
    sent = order(6, fulfillment_status="fulfilled", source_name="pos", test=True)
    taxed = order(7, taxes_included=True, total_tax="62.75", currency="EUR", discount_codes=[])
    paid_back = order(8, financial_status="refunded")
    some = {"id": 9, "kind": "refund", "status": "success", "amount_set": money("12.50")}
    adjusted = {
        "id": 8,
        "kind": "refund_discrepancy",
        "amount": "-3.00",
        "amount_set": money("-3.00"),
        "tax_amount": "0.00",
        "tax_amount_set": money("0.00"),
    }
    paid_back["refunds"] = [
        refund(81, paid_back, refund_line_items=[], transactions=[some]),
        refund(82, paid_back, order_adjustments=[adjusted]),
    ]
    return [plain, guest, gift, back, gone, sent, taxed, paid_back]


async def test_an_order_is_the_same_by_webhook_and_by_import(at: At) -> None:
    for each in orders():
        at.shop.hear("orders/create", each)
    told = {
        each.body.order_id: each.body
        for each in await at.told(Phase.ORDERS)
        if isinstance(each.body, Order)
    }
    assert all(each.imported for each in told.values())
    for each in orders():
        expected = by_webhook("orders/updated", each)
        assert opened(told.pop(str(each["id"]))) == opened(expected), each["name"]
    assert told == {}


async def test_a_customer_is_the_same_by_webhook_and_by_import(at: At) -> None:
    full = samples.CUSTOMER | {"locale": "de"}
    bare = {
        "id": 5,
        "created_at": "2026-11-01T10:00:00Z",
        "updated_at": "2026-11-01T10:00:00Z",
        "email": "b@example.com",
        "verified_email": False,
        "locale": "en",
    }
    for each in (full, bare):
        at.shop.hear("customers/create", each)
    told = await at.told(Phase.CUSTOMERS)
    expected = [by_webhook("customers/update", each) for each in (bare, full)]
    assert [opened(each.body) for each in told] == [opened(each) for each in expected]


async def test_reading_goes_on_behind_what_was_read(at: At) -> None:
    for number in range(1, 6):
        at.shop.hear("orders/create", order(number))
    all_of_it = await at.told(Phase.ORDERS)
    assert len(all_of_it) == 5
    rest = await at.told(Phase.ORDERS, all_of_it[1].read_to)
    assert [each.read_to for each in rest] == [each.read_to for each in all_of_it[2:]]
    assert [opened(each.body) for each in rest] == [opened(each.body) for each in all_of_it[2:]]
    assert await at.told(Phase.ORDERS, all_of_it[-1].read_to) == []


async def test_an_export_whose_file_is_gone_is_none(at: At) -> None:
    at.shop.hear("orders/create", order(1))
    export_id = await at.history.begin(MERCHANT, Phase.ORDERS, None)
    (operation,) = at.shop.bulk.values()
    operation.file = b""
    found = await eventually(
        lambda: at.history.look(MERCHANT, export_id),
        lambda found: found.state is not ExportState.RUNNING,
    )
    assert (found.state, found.problem) == (
        ExportState.FAILED,
        "Shopify does not keep its export any more.",
    )


async def test_nothing_to_export_is_nothing(at: At) -> None:
    assert await at.told(Phase.ORDERS) == []


async def test_one_export_at_a_time(at: At) -> None:
    at.shop.bulk_takes = (timedelta(0), timedelta(hours=1))
    await at.history.begin(MERCHANT, Phase.CUSTOMERS, None)
    with pytest.raises(ExportBusy):
        await at.history.begin(MERCHANT, Phase.ORDERS, None)


async def test_what_is_not_granted_says_so(at: At) -> None:
    at.shop.hear("orders/create", order(1))
    at.grant("read_products")
    at.history._client._means.access._kept.clear()
    try:
        export = await at.exported(Phase.ORDERS)
    except NotAllowed:
        return
    assert export.state is ExportState.REFUSED


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("since", [None, datetime(2026, 11, 21, tzinfo=UTC)])
def test_an_export_is_one_that_shopify_knows(phase: Phase, since: datetime | None) -> None:
    assert validate(admin_schema(), parse(export_of(phase, since))) == []


async def test_only_what_has_changed_since(at: At) -> None:
    at.shop.hear("orders/create", order(1))
    at.shop.hear("orders/create", order(2, updated_at="2026-11-21T12:00:00Z"))
    at.shop.hear("customers/create", samples.CUSTOMER | {"locale": "de"})
    at.since = datetime(2026, 11, 21, 13, tzinfo=timezone(timedelta(hours=1)))
    (told,) = await at.told(Phase.ORDERS)
    assert isinstance(told.body, Order)
    assert told.body.order_id == "2"
    assert await at.told(Phase.CUSTOMERS) == []


# --- files ----------------------------------------------------------------------------------------


async def lines(*texts: str) -> AsyncIterator[Line]:
    end = 0
    for each in texts:
        end += len(each) + 1
        yield Line(each.encode(), end)


async def test_what_is_nested_belongs_to_what_came_before() -> None:
    found = [
        each
        async for each in grouped(
            lines('{"id":"a"}', '{"id":"b"}', '{"id":"c","__parentId":"b"}', "rubbish", "", "{")
        )
    ]
    assert [(each.text, each.children) for each in found] == [
        (b'{"id":"a"}', []),
        (b'{"id":"b"}', [b'{"id":"c","__parentId":"b"}']),
        (b"rubbish", []),
        (b"{", []),
    ]
    assert [each.end for each in found][-1] == sum(len(each.text) + 1 for each in found) + 29


async def test_rubbish_in_an_export_is_passed_over_and_counted(at: At) -> None:
    async with scripted_file(b'{"id":"gid://shopify/Order/1"}\nrubbish\n[]\n\xff\n') as (
        exports,
        url,
    ):
        at.history._exports = exports
        told = [
            each async for each in at.history.read(MERCHANT, Phase.ORDERS, url, 0, imported=True)
        ]
    assert [each.body for each in told] == [None] * 4
    assert told[-1].read_to == 44


FILE = b"first\nsecond\nthird"


@pytest.mark.parametrize("ranges", [True, False])
async def test_a_file_is_read_from_where_it_was_left(ranges: bool) -> None:
    async with scripted_file(FILE, ranges=ranges) as (exports, url):
        for start, expected in ((0, [b"first", b"second", b"third"]), (6, [b"second", b"third"])):
            found = [each async for each in exports.lines(url, start)]
            assert [each.text for each in found] == expected
            assert found[-1].end == len(FILE)
        assert [each async for each in exports.lines(url, len(FILE))] == []


async def test_a_file_that_breaks_off_or_is_not_there_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with scripted_file(FILE, status=500) as (exports, url):
        with pytest.raises(NotAsked):
            _ = [each async for each in exports.lines(url, 0)]
    monkeypatch.setattr(bulk, "MOST_LINE", 10)
    async with scripted_file(b"x" * 1000) as (exports, url):
        with pytest.raises(NotAsked):
            _ = [each async for each in exports.lines(url, 0)]


async def test_a_file_comes_over_tls_or_from_the_admin_itself() -> None:
    async with scripted_file(FILE) as (exports, _):
        with pytest.raises(Misunderstood):
            _ = [each async for each in exports.lines("http://127.0.0.1:1/file", 0)]


class scripted_file:  # noqa: N801 - used as a function
    """A place that has one file, which knows about ranges or not."""

    def __init__(self, content: bytes, *, ranges: bool = True, status: int = 0) -> None:
        self._content = content
        self._ranges = ranges
        self._status = status

    async def __aenter__(self) -> tuple[BulkExports, str]:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        base = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self._client = client_of(base, Auth())
        self._exports = BulkExports(await self._client.__aenter__(), base)
        return self._exports, f"{base}/file"

    async def __aexit__(self, *_: object) -> None:
        await self._exports.close()
        await self._client.__aexit__(None, None, None)
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        start = int(head.partition("range: bytes=")[2].partition("-")[0])
        status, body = 200, self._content
        if self._ranges:
            status, body = 206, self._content[start:]
            if start >= len(self._content):
                status, body = 416, b""
        answer = f"HTTP/1.1 {self._status or status} X\r\nContent-Length: {len(body)}\r\n"
        writer.write(answer.encode() + b"Connection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()
