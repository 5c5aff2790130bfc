"""A shop's customers and orders of before it came, from Shopify into every service, once."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from adapters.postgres.connection import text
from adapters.postgres.tenancy import ACROSS_SHOPS
from adapters.shopify.admin import client as clients
from contracts import core, points
from contracts.imports import GET_IMPORT, START_IMPORT, Import
from contracts.kit import Nothing
from contracts.shop import ORDER_UPDATED, member_id
from domain.errors import NotFound
from infra.demo_shop.admin.api.shop import Shop
from infra.demo_shop.admin.api.trouble import Instead, Lost
from ports.imports import ImportState
from services.core import importing
from tests.conftest import Run, eventually
from tests.mesh.edge import shopify_order
from tests.mesh.said import world_of
from tests.mesh.shopify import Shopify, ask, new_shop, shopify

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVICES = ("api_gateway", "auth", "roles", "core", "points", "rfm", "users")
LONG_AGO = datetime.now(UTC) - timedelta(days=400)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def at(run: Run, environment: dict[str, str]) -> AsyncIterator[Shopify]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importing, "WORK_SECONDS", 0.05)
        patch.setattr(importing, "_LOOK_AGAIN", timedelta(seconds=0.05))
        patch.setattr(importing, "_FIRST_PAUSE", timedelta(seconds=0.05))
        patch.setattr(importing, "_PIECE", 2)
        patch.setattr(clients, "_FIRST_PAUSE", 0.01)
        patch.setattr(importing, "_PIECES", 2)
        async with shopify(run, environment, *SERVICES) as one:
            yield one


async def imported(at: Shopify, merchant_id: UUID) -> Import:
    answer = await ask(at, GET_IMPORT, Nothing(), merchant_id)
    assert isinstance(answer, Import)
    return answer


async def over(at: Shopify, merchant_id: UUID) -> Import:
    return await eventually(
        lambda: imported(at, merchant_id),
        lambda one: one.state in (ImportState.DONE, ImportState.FAILED),
        ignore=[NotFound],
    )


def with_history(at: Shopify, shop: str, customers: int = 3, orders: int = 2) -> Shop:
    """A shop where each of so many customers has bought so many times, for 10 each."""
    there = at.admin.shops[shop]
    there.bulk_takes = (timedelta(0), timedelta(milliseconds=1))
    number = 0
    for customer in range(1, customers + 1):
        there.add_customer(customer, locale="en")
        for _ in range(orders):
            number += 1
            there.hear("orders/create", sold(number, customer, LONG_AGO))
    return there


def sold(number: int, customer: int, created_at: datetime, **changes: Any) -> dict[str, Any]:
    told = shopify_order(number, customer, subtotal_price="10.00")
    placed = created_at.isoformat()
    times = dict.fromkeys(("created_at", "updated_at", "processed_at"), placed)
    return told | times | changes


async def profile(at: Shopify, merchant_id: UUID, customer: int = 1) -> core.Member:
    request = core.GetCustomerRFM(customer_id=member_id(merchant_id, str(customer)))
    answer = await ask(at, core.GET_CUSTOMER_RFM, request, merchant_id)
    assert isinstance(answer, core.Member)
    return answer


async def balance(at: Shopify, merchant_id: UUID, customer: int = 1) -> int:
    request = points.BalanceOf(shopify_customer_id=str(customer))
    answer = await ask(at, points.GET_BALANCE, request, merchant_id)
    assert isinstance(answer, points.Balance)
    return answer.spendable


async def test_history_counts_for_all_but_points(at: Shopify) -> None:
    shop = new_shop()
    with_history(at, shop)
    merchant_id = (await at.install(shop)).merchant_id
    done = await over(at, merchant_id)
    assert (done.state, done.problem) == (ImportState.DONE, "")
    assert (done.customers, done.orders, done.skipped) == (3, 6, 0)
    assert done.finished_at is not None

    known = await eventually(
        lambda: profile(at, merchant_id), lambda one: one.orders == 2, ignore=[NotFound]
    )
    assert known.spent == 20
    usage = await ask(at, core.GET_USAGE, core.GetUsage(), merchant_id)
    assert usage.orders == 0

    # What is bought now earns; that an old order changes now does not make it new.
    now = datetime.now(UTC) + timedelta(seconds=1)
    assert await at.deliver(shop, "orders/create", sold(100, 1, now)) == 200
    touched = sold(1, 1, LONG_AGO, updated_at=now.isoformat(), tags="vip")
    assert await at.deliver(shop, "orders/updated", touched) == 200
    await eventually(
        lambda: balance(at, merchant_id), lambda points: points == 10, ignore=[NotFound]
    )
    await eventually(lambda: profile(at, merchant_id), lambda one: one.orders == 3)
    assert await balance(at, merchant_id) == 10


async def test_a_merchant_may_let_history_earn_and_it_earns_once(at: Shopify) -> None:
    shop = new_shop()
    with_history(at, shop)
    merchant_id = (await at.install(shop)).merchant_id
    await over(at, merchant_id)
    saved = await ask(at, core.GET_SETTINGS, core.GetSettings(), merchant_id)
    assert saved.settings.beginning is not None
    # As exact as Shopify's times: what is bought within the second of the installation earns.
    assert saved.settings.beginning.microsecond == 0
    generous = core.UpdateSettings(settings=replace(saved.settings, earns_from=""))
    await ask(at, core.UPDATE_SETTINGS, generous, merchant_id)
    await eventually(lambda: _program(at, merchant_id), lambda version: version == 3)
    for _ in range(2):
        begun = await ask(at, START_IMPORT, Nothing(), merchant_id)
        assert begun.state in (ImportState.WAITING, ImportState.RUNNING)
        assert (await over(at, merchant_id)).orders == 6
        await eventually(
            lambda: balance(at, merchant_id), lambda points: points == 20, ignore=[NotFound]
        )
    await eventually(lambda: profile(at, merchant_id), lambda one: one.orders == 2)
    assert await balance(at, merchant_id) == 20


async def _program(at: Shopify, merchant_id: UUID) -> int:
    """The version of the program that points knows."""
    database = world_of(at.process).database("points")
    async with database.transaction(ACROSS_SHOPS) as connection:
        found = await connection.execute(
            text("SELECT version FROM programs WHERE merchant_id = :id"), {"id": merchant_id}
        )
        return int(found.scalar_one_or_none() or 0)


async def test_starting_what_is_under_way_lets_it_go_on(at: Shopify) -> None:
    shop = new_shop()
    there = with_history(at, shop)
    there.bulk_takes = (timedelta(0), timedelta(seconds=0.5))
    merchant_id = (await at.install(shop)).merchant_id
    first = await eventually(lambda: imported(at, merchant_id), ignore=[NotFound])
    again = await ask(at, START_IMPORT, Nothing(), merchant_id)
    assert again.started_at == first.started_at
    assert (await over(at, merchant_id)).started_at == first.started_at
    assert len(there.bulk) == 2  # customers and orders, once each


async def test_trouble_at_shopify_is_told_and_overcome(at: Shopify) -> None:
    shop = new_shop()
    with_history(at, shop, customers=2)
    at.admin.trouble.next(Instead(503), field="bulkOperationRunQuery", times=5)
    at.admin.trouble.next(Lost(), field="bulkOperation", times=2)
    merchant_id = (await at.install(shop)).merchant_id
    told = await eventually(
        lambda: imported(at, merchant_id), lambda one: one.problem != "", ignore=[NotFound]
    )
    assert "does not answer" in told.problem
    done = await over(at, merchant_id)
    assert (done.state, done.problem, done.orders) == (ImportState.DONE, "", 4)


async def test_exports_that_always_fail_are_given_up(at: Shopify) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importing, "_MOST_TRIES", 3)
        shop = new_shop()
        there = with_history(at, shop)
        there.bulk_takes = (timedelta(0), timedelta(hours=1))

        class Failing(type(there.bulk)):  # type: ignore[misc]  # whatever it is
            def put(self, number: object, thing: Any) -> None:
                thing.error = "INTERNAL_SERVER_ERROR"
                super().put(number, thing)

        there.bulk = Failing()
        there.bulk_takes = (timedelta(0), timedelta(milliseconds=1))
        merchant_id = (await at.install(shop)).merchant_id
        failed = await over(at, merchant_id)
    assert (failed.state, failed.problem) == ("failed", "Shopify could not finish its export.")
    assert len(there.bulk) == 3


async def test_two_processes_share_the_work(at: Shopify, run: Run) -> None:
    shop = new_shop()
    with_history(at, shop, customers=4, orders=3)
    async with run("core", shopify_api_base=at.admin.base):
        merchant_id = (await at.install(shop)).merchant_id
        done = await over(at, merchant_id)
    assert (done.customers, done.orders) == (4, 12)
    subject = ORDER_UPDATED.subject(merchant_id)
    js = world_of(at.process).js
    info = await js.stream_info("WEBHOOKS", subjects_filter=subject)
    assert (info.state.subjects or {})[subject] == 12


async def test_a_shop_that_goes_ends_its_import_and_begins_anew_when_it_returns(
    at: Shopify,
) -> None:
    shop = new_shop()
    there = with_history(at, shop)
    there.bulk_takes = (timedelta(0), timedelta(hours=1))
    merchant_id = (await at.install(shop)).merchant_id
    await eventually(
        lambda: imported(at, merchant_id), lambda one: one.state == "running", ignore=[NotFound]
    )
    assert await at.deliver(shop, "app/uninstalled") == 200
    at.admin.grants.uninstall(shop)
    failed = await over(at, merchant_id)
    assert failed.state == ImportState.FAILED
    assert "access" in failed.problem

    there.bulk.clear()
    there.bulk_takes = (timedelta(0), timedelta(milliseconds=1))
    await at.install(shop)
    done = await eventually(lambda: imported(at, merchant_id), lambda one: one.state == "done")
    assert done.orders == 6


async def test_a_process_that_dies_in_between_is_followed_by_another(
    at: Shopify, run: Run, environment: dict[str, str]
) -> None:
    """Killed after a piece was told and before that was kept: it is told again, and counts once."""
    shop = new_shop()
    with_history(at, shop, customers=4, orders=3)
    kept = importing.Importing._keep
    deaths = 0

    async def dies(self: Any, row: Any, pause: Any) -> bool:
        nonlocal deaths
        if row.orders and row.merchant_id == merchant_id and deaths < 3:
            deaths += 1
            raise ConnectionError
        return await kept(self, row, pause)

    merchant_id = UUID(int=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importing.Importing, "_keep", dies)
        merchant_id = (await at.install(shop)).merchant_id
        done = await over(at, merchant_id)
    assert deaths == 3
    assert (done.customers, done.orders) == (4, 12)
    for customer in range(1, 5):
        await eventually(
            lambda each=customer: profile(at, merchant_id, each),  # type: ignore[misc]  # bound at once
            lambda one: one.orders == 3,
            ignore=[NotFound],
        )
    info = await world_of(at.process).js.stream_info(
        "WEBHOOKS", subjects_filter=ORDER_UPDATED.subject(merchant_id)
    )
    assert (info.state.subjects or {})[ORDER_UPDATED.subject(merchant_id)] == 12


async def test_webhooks_that_never_came_are_made_up_for(at: Shopify) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importing, "CHANGES_EVERY", timedelta(seconds=0.3))
        shop = new_shop()
        there = with_history(at, shop)
        merchant_id = (await at.install(shop)).merchant_id
        first = await over(at, merchant_id)
        now = datetime.now(UTC) + timedelta(seconds=2)
        there.hear("orders/create", sold(100, 1, now))  # and nobody is told
        await eventually(
            lambda: balance(at, merchant_id), lambda points: points == 10, ignore=[NotFound]
        )
        await eventually(lambda: profile(at, merchant_id), lambda one: one.orders == 3)
    await eventually(
        lambda: ask(at, core.GET_USAGE, core.GetUsage(), merchant_id),
        lambda usage: usage.orders == 1,
    )
    assert await imported(at, merchant_id) == first  # what was before is another matter


async def test_nobody_sees_another_shops_import(at: Shopify) -> None:
    with pytest.raises(NotFound):
        await imported(at, UUID(int=5))
