"""A bonus on a collection: what is in it is asked of Shopify, told to points, and earns."""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from prometheus_client import REGISTRY

from adapters.postgres.collections import PostgresCollections
from adapters.postgres.connection import text
from adapters.postgres.tenancy import ACROSS_SHOPS
from adapters.shopify.admin import client as clients
from contracts import core, points, products
from contracts.kit import Nothing
from domain.errors import NotFound
from domain.points.bonus import Bonus, Goods
from infra.demo_shop.admin.api.records import Collection
from infra.demo_shop.admin.api.shop import Shop
from infra.demo_shop.admin.api.trouble import Instead
from ports.catalogue import ProductKey
from ports.collections import CollectionKey, CollectionsNamed, CollectionSync, InDoubt
from services.products import collecting, wiring
from tests.conftest import Run, eventually
from tests.mesh.edge import shopify_order
from tests.mesh.said import world_of
from tests.mesh.shopify import Shopify, ask, new_shop, shopify

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVICES = ("api_gateway", "auth", "roles", "core", "points", "products")
BOOTS, SOCKS = 71, 72


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def at(run: Run, environment: dict[str, str]) -> AsyncIterator[Shopify]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "WORK_SECONDS", 0.05)
        patch.setattr(collecting, "SETTLES", timedelta(milliseconds=50))
        patch.setattr(collecting, "_FIRST_PAUSE", timedelta(milliseconds=50))
        patch.setattr(clients, "_FIRST_PAUSE", 0.01)
        async with shopify(run, environment, *SERVICES) as one:
            yield one


async def with_winter(at: Shopify, *inside: int) -> tuple[str, UUID, Shop, Collection]:
    """A shop whose winter collection earns double."""
    name = new_shop()
    there = at.admin.shops[name]
    there.add_customer(1)
    for number in (BOOTS, SOCKS):
        there.hear("products/create", product(number))
    winter = there.add_collection("Winter", inside)
    merchant_id = (await at.install(name)).merchant_id
    await run_on(at, merchant_id, winter)
    return name, merchant_id, there, winter


async def run_on(at: Shopify, merchant_id: UUID, *collections: Collection) -> None:
    """The program as installed, with a bonus on these collections."""
    goods = Goods(collections=tuple(str(each.number) for each in collections))
    bonuses = (Bonus("winter", Decimal(2), goods),) if collections else ()

    async def changed() -> bool:
        found = await ask(at, core.GET_SETTINGS, core.GetSettings(), merchant_id)
        program = replace(found.settings, bonuses=bonuses, earns_from="")
        await ask(at, core.UPDATE_SETTINGS, core.UpdateSettings(settings=program), merchant_id)
        return True

    # Core makes the program when it hears of the shop, and may hear more of it meanwhile.
    await eventually(changed, ignore=[NotFound, core.SettingsConflict])


def product(number: int, **changes: Any) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    return {
        "id": number, "title": f"Product {number}", "handle": str(number), "status": "active",
        "created_at": now, "updated_at": now, "variants": [], "tags": "",
    } | changes  # fmt: skip


async def worth(at: Shopify, merchant_id: UUID, number: int = BOOTS) -> int:
    """What 10 spent on a product would earn."""
    request = points.ExplainPurchase(
        lines=(points.ExplainLine(product_id=str(number), amount=Decimal(10)),)
    )
    return int((await ask(at, points.EXPLAIN_PURCHASE, request, merchant_id)).points)


async def becomes(at: Shopify, merchant_id: UUID, expected: int, number: int = BOOTS) -> None:
    await eventually(
        lambda: worth(at, merchant_id, number),
        lambda found: found == expected,
    )


async def balance(at: Shopify, merchant_id: UUID) -> int:
    request = points.BalanceOf(shopify_customer_id="1")
    return int((await ask(at, points.GET_BALANCE, request, merchant_id)).spendable)


async def known(at: Shopify, merchant_id: UUID) -> products.CollectionsKnown:
    answer = await ask(at, products.GET_COLLECTIONS, Nothing(), merchant_id)
    assert isinstance(answer, products.CollectionsKnown)
    return answer


async def due(at: Shopify, merchant_id: UUID) -> None:
    """An hour has passed."""
    async with world_of(at.process).database("products").transaction(ACROSS_SHOPS) as connection:
        await connection.execute(
            text(
                "UPDATE collection_syncs SET whole_at = now(), due_at = now()"
                " WHERE merchant_id = :m"
            ),
            {"m": merchant_id},
        )


async def rows(at: Shopify, merchant_id: UUID, columns: str, table: str) -> list[Any]:
    """What products keeps of a shop."""
    async with world_of(at.process).database("products").transaction(ACROSS_SHOPS) as connection:
        found = await connection.execute(
            text(f"SELECT {columns} FROM {table} WHERE merchant_id = :m"), {"m": merchant_id}
        )
        return [tuple(each) for each in found]


async def inside(at: Shopify, merchant_id: UUID) -> dict[str, list[str]]:
    found = await rows(at, merchant_id, "product_id, collections", "product_collections")
    return {product: collections for product, collections in found if collections}


async def learnt(outcome: str) -> float:
    """How many turns have ended so."""
    return (
        REGISTRY.get_sample_value("loyalnest_collections_learnt_total", {"outcome": outcome}) or 0
    )


async def lag(at: Shopify) -> int:
    """How many events wait for products."""
    consumers = [
        each
        for running in at.process._running
        for each in running.consumers
        if each.name.startswith("products")
    ]
    assert len(consumers) == 3
    return sum([await each.measure_lag() for each in consumers])


def sold(number: int, product_id: int, **changes: Any) -> dict[str, Any]:
    placed = shopify_order(number, 1, subtotal_price="10.00")
    line = {"id": 1, "product_id": product_id, "quantity": 1, "price": "10.00"}
    return placed | {"line_items": [line]} | changes


async def test_what_is_in_the_collection_earns_double_and_keeps_what_it_earned(
    at: Shopify,
) -> None:
    name, merchant_id, _, winter = await with_winter(at, SOCKS)
    await becomes(at, merchant_id, 20, SOCKS)
    assert await worth(at, merchant_id) == 10

    # Put into the collection: a webhook says that the product has changed, and not how.
    winter.products.append(str(BOOTS))
    assert await at.deliver(name, "products/update", product(BOOTS)) == 200
    await becomes(at, merchant_id, 20)
    assert await at.deliver(name, "orders/create", sold(1, BOOTS)) == 200
    await eventually(lambda: balance(at, merchant_id), lambda found: found == 20, ignore=[NotFound])

    # Out of it again: what was earned stays, also when the order changes.
    winter.products.remove(str(BOOTS))
    assert await at.deliver(name, "products/update", product(BOOTS, title="New")) == 200
    await becomes(at, merchant_id, 10)
    later = datetime.now(UTC) + timedelta(seconds=5)
    again = sold(1, BOOTS, updated_at=later.isoformat(), financial_status="paid")
    assert await at.deliver(name, "orders/paid", again) == 200
    assert await at.deliver(name, "orders/create", sold(2, BOOTS)) == 200
    await eventually(lambda: balance(at, merchant_id), lambda found: found == 30)


async def test_what_no_webhook_tells_is_found_from_end_to_end(at: Shopify) -> None:
    """More than a page; then one put in and one taken out without a change of the products."""
    _, merchant_id, there, winter = await with_winter(at, *range(100, 400))
    for number in range(100, 401):
        there.hear("products/create", product(number))
    await run_on(at, merchant_id)
    await run_on(at, merchant_id, winter)
    await becomes(at, merchant_id, 20, 399)
    winter.products[winter.products.index("399")] = "400"
    await due(at, merchant_id)
    await becomes(at, merchant_id, 20, 400)
    await becomes(at, merchant_id, 10, 399)
    assert await worth(at, merchant_id, 100) == 20


async def test_a_program_that_names_it_no_more_forgets_it(at: Shopify) -> None:
    _, merchant_id, there, winter = await with_winter(at, BOOTS)
    await becomes(at, merchant_id, 20)
    other = there.add_collection("Other", [SOCKS])
    await run_on(at, merchant_id, other)
    await becomes(at, merchant_id, 20, SOCKS)
    assert await worth(at, merchant_id) == 10
    assert await inside(at, merchant_id) == {str(SOCKS): [str(other.number)]}
    await run_on(at, merchant_id)
    await eventually(lambda: inside(at, merchant_id), lambda found: not found)
    assert (await known(at, merchant_id)).collections == ()
    await run_on(at, merchant_id, winter, other)
    await becomes(at, merchant_id, 20)
    await becomes(at, merchant_id, 20, SOCKS)


async def test_a_collection_that_changes_is_asked_for_by_itself(at: Shopify) -> None:
    """By hand, so that no product changes: nothing but the webhook of the collection tells."""
    name, merchant_id, there, winter = await with_winter(at, BOOTS)
    other = there.add_collection("Other", [BOOTS])
    await run_on(at, merchant_id, winter, other)
    await becomes(at, merchant_id, 20)
    await eventually(
        lambda: inside(at, merchant_id),
        lambda found: found == {str(BOOTS): sorted((str(winter.number), str(other.number)))},
    )
    whole = (await known(at, merchant_id)).synced_at
    winter.products[:] = [str(SOCKS)]
    assert await at.deliver(name, "collections/update", {"id": winter.number}) == 200
    await becomes(at, merchant_id, 20, SOCKS)
    assert await inside(at, merchant_id) == {
        str(BOOTS): [str(other.number)],
        str(SOCKS): [str(winter.number)],
    }
    assert (await known(at, merchant_id)).synced_at == whole
    assert await rows(at, merchant_id, "collection_id", "collections_in_doubt") == []

    # One that the program does not name is nothing to us, signed or not.
    unnamed = there.add_collection("Unnamed", [SOCKS])
    assert await at.deliver(name, "collections/update", {"id": unnamed.number}) == 200
    forged = await at.deliver(
        name, "collections/update", {"id": winter.number}, X_Shopify_Hmac_Sha256="AAAA"
    )
    assert forged == 401
    await eventually(lambda: lag(at), lambda found: found == 0)
    assert await rows(at, merchant_id, "collection_id", "collections_in_doubt") == []


async def test_a_collection_that_is_removed_holds_nothing_any_more(at: Shopify) -> None:
    name, merchant_id, there, winter = await with_winter(at, BOOTS)
    await becomes(at, merchant_id, 20)
    del there.collections[str(winter.number)]
    assert await at.deliver(name, "collections/delete", {"id": winter.number}) == 200
    await becomes(at, merchant_id, 10)
    assert (await known(at, merchant_id)).problem == (
        f"Shopify has no such collection: {winter.number}."
    )


async def test_trouble_at_shopify_is_counted_and_overcome(at: Shopify) -> None:
    before = await learnt("UNAVAILABLE")
    at.admin.trouble.next(Instead(503), field="collection", times=4)
    _, merchant_id, _, _ = await with_winter(at, BOOTS)
    await becomes(at, merchant_id, 20)
    assert await learnt("UNAVAILABLE") > before
    assert (await known(at, merchant_id)).problem == ""


async def test_a_shop_that_goes_is_asked_again_when_it_returns(at: Shopify) -> None:
    name, merchant_id, _, winter = await with_winter(at, BOOTS)
    await becomes(at, merchant_id, 20)
    before = await learnt("SHOPIFY_ACCESS_LOST")
    assert await at.deliver(name, "app/uninstalled") == 200
    at.admin.grants.uninstall(name)
    winter.products.append(str(SOCKS))
    await due(at, merchant_id)
    await eventually(lambda: learnt("SHOPIFY_ACCESS_LOST"), lambda found: found > before)
    assert await worth(at, merchant_id) == 20  # what was known holds
    assert "access" in (await known(at, merchant_id)).problem
    await at.install(name)
    await becomes(at, merchant_id, 20, SOCKS)


async def test_a_collection_that_is_not_there_keeps_no_other_from_being_learnt(
    at: Shopify,
) -> None:
    _, merchant_id, there, winter = await with_winter(at, BOOTS, SOCKS)
    gone = there.add_collection("Gone", [SOCKS])
    del there.collections[str(gone.number)]
    await run_on(at, merchant_id, gone, winter)
    found = await eventually(lambda: known(at, merchant_id), lambda one: one.problem != "")
    assert found.problem == f"Shopify has no such collection: {gone.number}."
    assert {each.collection_id: each.products for each in found.collections} == {
        str(winter.number): 2,
        str(gone.number): 0,
    }
    assert found.synced_at is not None
    assert await worth(at, merchant_id) == 20
    strangers = await known(at, UUID(int=5))
    assert (strangers.collections, strangers.synced_at) == ((), None)


async def test_of_many_products_in_doubt_the_collections_are_asked_for(at: Shopify) -> None:
    """A change of the whole catalogue is not a question for each product."""
    name, merchant_id, _, winter = await with_winter(at, BOOTS)
    await becomes(at, merchant_id, 20)
    winter.products.append(str(SOCKS))
    at.admin.trouble.next(Instead(503), field="product", times=100)
    before = await learnt("synced")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collecting, "_FEW", 1)
        patch.setattr(collecting, "_WHOLE_PAUSE", timedelta())
        patch.setattr(collecting, "SETTLES", timedelta(seconds=0.3))
        for number in (BOOTS, SOCKS, 73):
            assert await at.deliver(name, "products/update", product(number)) == 200
        await becomes(at, merchant_id, 20, SOCKS)
    assert await learnt("synced") > before
    at.admin.trouble.none()


async def test_who_dies_in_between_is_followed_by_another(at: Shopify) -> None:
    """Killed after some of it was kept and said; the next one keeps and says the rest."""
    keep, deaths = PostgresCollections.learn, 0

    async def dies(self: Any, merchant_id: UUID, found: Any) -> Any:
        nonlocal deaths
        if str(SOCKS) in found and deaths < 3:
            deaths += 1
            raise ConnectionError
        return await keep(self, merchant_id, found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PostgresCollections, "learn", dies)
        patch.setattr(collecting, "_PIECE", 1)
        _, merchant_id, _, _ = await with_winter(at, BOOTS, SOCKS)
        await becomes(at, merchant_id, 20, SOCKS)
    assert deaths == 3
    assert await worth(at, merchant_id) == 20
    kept = await rows(at, merchant_id, "product_id, version", "product_collections")
    assert sorted(kept) == [(str(BOOTS), 1), (str(SOCKS), 1)]


async def test_a_shop_without_collections_is_never_asked(at: Shopify) -> None:
    name = new_shop()
    there = at.admin.shops[name]
    merchant_id = (await at.install(name)).merchant_id
    await run_on(at, merchant_id)
    there.hear("products/create", product(BOOTS))
    assert await at.deliver(name, "products/create", product(BOOTS)) == 200
    await eventually(
        lambda: ask(at, products.GET_PRODUCT, products.GetProduct(product_id="71"), merchant_id),
        ignore=[NotFound],
    )
    await eventually(lambda: lag(at), lambda found: found == 0)
    assert await rows(at, merchant_id, "due_at", "collection_syncs") == [(None,)]
    assert await rows(at, merchant_id, "product_id", "products_in_doubt") == []


NOTHING = InDoubt({}, {})


class Undo(Exception):
    pass


async def test_one_at_a_time_and_nothing_in_doubt_is_forgotten(at: Shopify) -> None:
    """What is kept of a shop, whoever works on it and however late; at a time that never comes, and
    undone, so that nobody else sees it."""
    merchant_id, other = uuid4(), uuid4()
    now = datetime(2100, 1, 1, tzinfo=UTC)
    minute, hour = timedelta(minutes=1), timedelta(hours=1)
    with suppress(Undo):
        async with (
            world_of(at.process).database("products").transaction(ACROSS_SHOPS) as connection
        ):
            book = PostgresCollections(connection)

            async def due_for(at: datetime) -> list[CollectionSync]:
                found = await book.take_due(at, at + minute, 10_000)
                return [each for each in found if each.merchant_id in (merchant_id, other)]

            await book.name({other: CollectionsNamed((), 2)}, now)
            await book.name({other: CollectionsNamed(("7",), 1)}, now)  # late, and too old
            await book.name({merchant_id: CollectionsNamed(("7",), 1)}, now)
            (slow,) = await due_for(now)
            assert await due_for(now) == []
            (quick,) = await due_for(now + 2 * minute)  # the first one has died, or sleeps
            assert not await book.hold(slow, now + hour)
            await book.keep(replace(slow, problem="mine"), now)
            assert await book.hold(quick, now + hour)

            # Another version that names the same takes nothing away, one that names others does.
            await book.name({merchant_id: CollectionsNamed(("7",), 2)}, now)
            assert await book.hold(quick, now + hour)
            await book.name({merchant_id: CollectionsNamed(("7", "8"), 3)}, now)
            assert not await book.hold(quick, now + hour)
            (again,) = await due_for(now)
            assert (again.collections, again.problem) == (("7", "8"), "")

            # A product that comes into doubt while somebody looks is looked at again.
            keys = [ProductKey(merchant_id, "p1"), ProductKey(other, "p1")]
            await book.doubt(keys, now, now + minute)
            looked = await book.doubted(merchant_id, now)
            assert list(looked.products) == ["p1"]
            assert await book.doubted(merchant_id, now - minute) == NOTHING
            assert await book.doubted(other, now) == NOTHING  # its program names none
            await book.doubt(keys, now + minute, now + 2 * minute)
            await book.settle(merchant_id, looked)
            await book.keep(replace(again, whole_at=now + hour), now + 2 * minute)
            assert await due_for(now + minute) == []
            (later,) = await due_for(now + 2 * minute)
            await book.settle(merchant_id, await book.doubted(merchant_id, now + hour))
            await book.keep(later, now + 3 * minute)
            assert await due_for(now + 4 * minute) == []

            # So is a collection; of those that the program names, and of no other shop's.
            changed = [
                CollectionKey(merchant_id, "7"),
                CollectionKey(merchant_id, "9"),
                CollectionKey(other, "7"),
            ]
            await book.doubt_collections(changed, now, now + minute)
            seen = await book.doubted(merchant_id, now)
            assert seen == InDoubt({}, {"7": now})
            assert await book.doubted(other, now) == NOTHING
            (third,) = await due_for(now + minute)
            await book.doubt_collections(changed, now + minute, now + 2 * minute)
            await book.settle(merchant_id, seen)
            await book.keep(replace(third, whole_at=now + hour), now + 2 * minute)
            (fourth,) = await due_for(now + 2 * minute)
            assert (await book.doubted(merchant_id, now + hour)).collections == {"7": now + minute}
            await book.settle(merchant_id, await book.doubted(merchant_id, now + hour))
            await book.keep(replace(fourth, whole_at=now + hour), now + 3 * minute)
            assert await due_for(now + 4 * minute) == []

            # Whoever comes back is asked at once, whatever was waited for.
            await book.restart([merchant_id, other], now)
            (back,) = await due_for(now)
            assert back.merchant_id == merchant_id
            assert not await book.hold(fourth, now + hour)

            # News are told once, with versions that grow; who never was in any is none.
            found = {"p1": ("7",), "p2": ()}
            assert await book.learn(merchant_id, found) == [("p1", ("7",), 1)]
            assert await book.learn(merchant_id, found) == []
            assert await book.learn(merchant_id, {"p1": ()}) == [("p1", (), 2)]
            assert await book.inside(merchant_id) == {}
            raise Undo
