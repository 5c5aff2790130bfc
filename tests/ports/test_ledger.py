"""One suite over every adapter of the ledger port: races, rollbacks and repeats included."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from adapters.memory.ledger import MemoryLedger
from adapters.memory.units import MemoryUnits
from adapters.nats.connection import connect
from adapters.nats.publisher import Publisher
from adapters.postgres.database import Database
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.relay import Relay
from adapters.postgres.units import postgres_units
from adapters.system import SystemClock, UuidV7
from domain.points.ledger import EntryDraft, EntryKind, due_entries
from domain.points.orders import OrderFacts, RefundFacts
from domain.points.wallet import EMPTY, InsufficientPoints, Wallet, adjustment
from domain.program import defaults
from infra.embedded.servers import Servers
from ports.ledger import Ledger, NewEntry, OrderKey, WalletKey
from ports.unit import Units

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
IDS = UuidV7()


@pytest.fixture(params=["memory", "postgres"])
async def units(request: pytest.FixtureRequest, servers: Servers) -> AsyncIterator[Units[Ledger]]:
    if request.param == "memory":
        fake: MemoryUnits[Ledger] = MemoryUnits(MemoryLedger, SystemClock(), IDS)
        yield fake
        return
    settings = servers.environment()
    client = await connect(settings["LOYALNEST_NATS_URL"], "test")
    publisher = Publisher(client)
    database = Database(settings["LOYALNEST_POSTGRES_URL"], "points", pool=10)
    await database.make()
    await database.migrate()
    relay = Relay(database, publisher, SystemClock())
    yield postgres_units(
        database, relay, PostgresLedger, SystemClock(), IDS, input_keys=[b"k"], across_shops=True
    )
    await database.close()
    await client.close()


@pytest.fixture
def wallet() -> WalletKey:
    return WalletKey(uuid4(), uuid4())


def entry(key: WalletKey, points: int, ref: str = "", **changes: Any) -> NewEntry:
    draft = EntryDraft(
        kind=EntryKind.ADJUST, points=points, reason="test", source="adjust",
        source_ref=ref or str(uuid4()), rule="",
    )  # fmt: skip
    return NewEntry(IDS.new(), key, replace(draft, **changes), AT)


def facts(key: WalletKey, order_id: str = "o1") -> OrderFacts:
    return OrderFacts(
        order_id=order_id, customer_id=key.customer_id, currency="USD", financial_status="paid",
        created_at=AT, updated_at=AT, merchandise=Decimal("100.10"),
    )  # fmt: skip


async def test_what_was_learnt_is_known_to_the_next_transaction(
    units: Units[Ledger], wallet: WalletKey
) -> None:
    key = OrderKey(wallet.merchant_id, "o1")
    other = OrderKey(uuid4(), "o1")  # the same order id in another shop
    refund = RefundFacts("r1", "o1", Decimal("10.5"), AT)
    async with units() as unit:
        before = await unit.stores.lock_orders([key, other])
        assert before[key] == before[other]
        assert (before[key].facts, before[key].refunds, before[key].entries) == (None, (), ())
        await unit.stores.learn_refunds({key: [refund, replace(refund, merchandise=Decimal(9))]})
        await unit.stores.learn_orders({key: facts(wallet)})
        due = due_entries(facts(wallet), [refund], [], defaults("USD"))
        await unit.stores.post([NewEntry(IDS.new(), wallet, draft, AT) for draft in due])
    async with units() as unit:
        after = await unit.stores.lock_orders([key, other])
        assert after[key].facts == facts(wallet)
        assert after[key].refunds == (refund,)
        assert after[key].entries == tuple(due)
        assert after[key].earner == wallet.customer_id
        assert after[other].facts is None


async def test_an_entry_is_posted_once(units: Units[Ledger], wallet: WalletKey) -> None:
    first = entry(wallet, 10, "same")
    async with units() as unit:
        (posted,) = await unit.stores.post([first])
        assert (posted.wallet, posted.version) == (Wallet(spendable=10), 1)
    async with units() as unit:
        again = [entry(wallet, 10, "same"), entry(wallet, 5), entry(wallet, -3, pending=True)]
        posted_now = await unit.stores.post(again)
    assert [each.entry.draft.points for each in posted_now] == [5, -3]
    assert [each.version for each in posted_now] == [2, 3]
    assert posted_now[-1].wallet == Wallet(spendable=15, pending=-3)
    async with units() as unit:
        assert await unit.stores.wallet(wallet) == Wallet(spendable=15, pending=-3)


async def test_spending_and_expiry_are_counted(units: Units[Ledger], wallet: WalletKey) -> None:
    async with units() as unit:
        await unit.stores.post(
            [
                entry(wallet, 100),
                entry(wallet, -30, kind=EntryKind.REDEEM),
                entry(wallet, -20, kind=EntryKind.EXPIRE),
            ]
        )
    async with units() as unit:
        found = await unit.stores.wallet(wallet)
    assert found == Wallet(spendable=50, spent=30, expired=20)
    assert found is not None
    assert found.lifetime == 100


async def test_an_error_leaves_nothing(units: Units[Ledger], wallet: WalletKey) -> None:
    key = OrderKey(wallet.merchant_id, "o1")

    async def fail() -> None:
        async with units() as unit:
            await unit.stores.lock_orders([key])
            await unit.stores.learn_orders({key: facts(wallet)})
            await unit.stores.post([entry(wallet, 10)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with units() as unit:
        assert await unit.stores.wallet(wallet) is None
        assert (await unit.stores.lock_orders([key]))[key].facts is None


async def test_twenty_at_once_never_overspend(units: Units[Ledger], wallet: WalletKey) -> None:
    async with units() as unit:
        await unit.stores.post([entry(wallet, 100)])

    async def spend() -> bool:
        async with units() as unit:
            held = (await unit.stores.lock_wallets([wallet]))[wallet]
            try:
                draft = adjustment(held, -30, "race", str(uuid4()))
            except InsufficientPoints:
                return False
            await unit.stores.post([NewEntry(IDS.new(), wallet, draft, AT)])
            return True

    assert sum(await asyncio.gather(*(spend() for _ in range(20)))) == 3
    async with units() as unit:
        assert await unit.stores.wallet(wallet) == Wallet(spendable=10)


async def test_an_order_told_twenty_times_at_once_earns_once(
    units: Units[Ledger], wallet: WalletKey
) -> None:
    key = OrderKey(wallet.merchant_id, "o1")

    async def tell() -> None:
        async with units() as unit:
            known = (await unit.stores.lock_orders([key]))[key]
            await unit.stores.learn_orders({key: facts(wallet)})
            due = due_entries(facts(wallet), known.refunds, known.entries, defaults("USD"))
            await unit.stores.post([NewEntry(IDS.new(), wallet, draft, AT) for draft in due])

    await asyncio.gather(*(tell() for _ in range(20)))
    async with units() as unit:
        assert await unit.stores.wallet(wallet) == Wallet(spendable=100)
        assert len((await unit.stores.lock_orders([key]))[key].entries) == 1


async def test_many_wallets_in_any_order_do_not_deadlock(units: Units[Ledger]) -> None:
    shop = uuid4()
    keys = [WalletKey(shop, uuid4()) for _ in range(10)]

    async def give(arranged: Callable[[list[WalletKey]], list[WalletKey]]) -> None:
        async with units() as unit:
            await unit.stores.post([entry(key, 1) for key in arranged(keys)])

    backwards: Callable[[list[WalletKey]], list[WalletKey]] = lambda found: found[::-1]  # noqa: E731
    await asyncio.gather(*(give(list if n % 2 else backwards) for n in range(20)))
    async with units() as unit:
        found = await unit.stores.wallets(shop, [key.customer_id for key in keys])
    assert set(found.values()) == {Wallet(spendable=20)}


async def test_a_new_wallet_can_be_held(units: Units[Ledger], wallet: WalletKey) -> None:
    async with units() as unit:
        assert (await unit.stores.lock_wallets([wallet]))[wallet] == EMPTY
    async with units() as unit:
        assert await unit.stores.wallet(wallet) is None  # looking is not having points


async def test_history_is_newest_first_and_of_this_member_only(
    units: Units[Ledger], wallet: WalletKey
) -> None:
    neighbour = WalletKey(wallet.merchant_id, uuid4())
    mine = [entry(wallet, number + 1) for number in range(4)]
    async with units() as unit:
        await unit.stores.post([*mine, entry(neighbour, 99)])
    async with units() as unit:
        page = await unit.stores.history(wallet, None, 3)
        rest = await unit.stores.history(wallet, page[-1].entry_id, 3)
    assert [each.draft.points for each in (*page, *rest)] == [4, 3, 2, 1]
    assert page[0].at == AT
    stranger = WalletKey(uuid4(), wallet.customer_id)
    async with units() as unit:
        assert list(await unit.stores.history(stranger, None, 3)) == []
        assert await unit.stores.wallet(stranger) is None


async def test_matured_orders_are_handed_out_once(units: Units[Ledger], wallet: WalletKey) -> None:
    due = AT - timedelta(days=900)  # before whatever other tests leave waiting
    waiting = entry(wallet, 10, pending=True, order_id="o1", source="order")
    async with units() as unit:
        await unit.stores.post([replace(waiting, matures_at=due)])
    async with units() as unit:
        assert not await unit.stores.take_matured(due - timedelta(seconds=1), 10)
        assert list(await unit.stores.take_matured(due, 10)) == [OrderKey(wallet.merchant_id, "o1")]
    async with units() as unit:
        assert not await unit.stores.take_matured(due, 10)


async def test_the_newest_program_stays(units: Units[Ledger]) -> None:
    shop: UUID = uuid4()
    async with units() as unit:
        assert await unit.stores.programs([shop]) == {}
        await unit.stores.learn_programs({shop: replace(defaults("EUR"), version=3)})
        await unit.stores.learn_programs({shop: replace(defaults("EUR"), version=2)})
    async with units() as unit:
        assert (await unit.stores.programs([shop]))[shop] == replace(defaults("EUR"), version=3)
