"""The chain of hashes on PostgreSQL: nothing is left out, and every tampering is named."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.nats.connection import connect
from adapters.nats.publisher import Publisher
from adapters.nats.relay import Relay
from adapters.postgres.chain import AS_OF_NOW, PostgresChain, PostgresChainReader
from adapters.postgres.database import Database
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.outbox import PostgresOutbox
from adapters.postgres.tenancy import MIGRATION
from adapters.postgres.units import postgres_units
from adapters.system import SystemClock, UuidV7
from domain.merging import ToldMerge
from domain.points.chain import SEALED, Fault, Head, Place, Proof, head_of
from domain.points.earning import RuleSnapshot, purchase_points
from domain.points.ledger import EntryDraft, EntryKind
from domain.points.merging import transfers
from domain.program import defaults
from ports.chain import Chain
from ports.ledger import Ledger, NewEntry, WalletKey
from ports.unit import Units
from services.points.chaining import seal_entries, verify
from tests.domain.shop import order

AT: Final = datetime(2026, 5, 1, 12, tzinfo=UTC)
IDS: Final = UuidV7()
MEMBERS: Final = 12
BLOCKS: Final = 6
TAMPERINGS: Final = 100

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class Rig:
    database: Database
    chain: Units[Chain]
    ledger: Units[Ledger]

    async def post(self, *entries: NewEntry) -> None:
        async with self.ledger() as unit:
            await unit.stores.post(entries)

    async def seal(self) -> None:
        await seal_entries(self.chain)

    async def verify(self, shop: UUID, since: Head | None = None) -> Proof:
        async with self.database.transaction(AS_OF_NOW) as connection:
            return await verify(PostgresChainReader(connection), shop, since)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(environment: dict[str, str]) -> AsyncIterator[Rig]:
    client = await connect(environment["LOYALNEST_NATS_URL"], "test")
    database = Database(environment["LOYALNEST_POSTGRES_URL"], "points", pool=6)
    await database.make()
    await database.migrate()
    clock = SystemClock()
    relay = Relay(PostgresOutbox(database), Publisher(client), clock)

    def units(stores: Callable[[AsyncConnection], Any]) -> Units[Any]:
        return postgres_units(
            database, relay, stores, clock, IDS, input_keys=[b"k"], across_shops=True
        )

    yield Rig(database, units(PostgresChain), units(PostgresLedger))
    await database.close()
    await client.close()


def entry(key: WalletKey, points: int, **changes: Any) -> NewEntry:
    draft = EntryDraft(
        kind=EntryKind.ADJUST, points=points, reason='"so" was\u2028 it \\ ½\n', source="adjust",
        source_ref=str(uuid4()), rule="",
    )  # fmt: skip
    return NewEntry(IDS.new(), key, replace(draft, **changes), AT + timedelta(microseconds=7))


async def some_history(rig: Rig) -> UUID:
    """A shop with a little of everything, in several blocks, and some of it not sealed yet."""
    shop = uuid4()
    random = Random(20260501)
    terms: RuleSnapshot = purchase_points(defaults("USD"), order("100")).snapshot
    members = [WalletKey(shop, uuid4()) for _ in range(MEMBERS)]
    for _ in range(BLOCKS):
        entries = [
            made
            for key in members
            for made in (
                entry(key, random.randint(50, 500), kind=EntryKind.EARN, source="order",
                      order_id=str(uuid4()), snapshot=terms),
                entry(key, -random.randint(1, 20), kind=EntryKind.REDEEM),
                entry(key, random.randint(1, 20), pending=True),
                entry(key, -3, kind=EntryKind.EXPIRE),
                entry(key, 2, kind=EntryKind.REVERSAL, reverses=EntryKind.EXPIRE),
            )
        ]  # fmt: skip
        await rig.post(*entries)
        await rig.seal()
    await rig.post(*(entry(key, 1) for key in members))
    return shop


async def test_all_is_sealed_and_agrees(rig: Rig) -> None:
    shop = await some_history(rig)
    proof = await rig.verify(shop)
    assert proof.first is None
    assert (proof.entries, proof.members) == (MEMBERS * (BLOCKS * 5 + 1), MEMBERS)
    assert proof.unsealed == MEMBERS
    assert proof.head is not None
    assert proof.head.number == BLOCKS
    await rig.seal()
    after = await rig.verify(shop, since=head_of(str(proof.head)))
    assert (after.first, after.unsealed) == (None, 0)
    assert after.head is not None
    assert after.head.number == BLOCKS + 1


async def test_who_was_merged_undone_or_in_debt_agrees(rig: Rig) -> None:
    """Lots that go to another wallet, are paid back, or open with what a debt leaves."""
    shop = uuid4()
    old, new, spare = (WalletKey(shop, uuid4()) for _ in range(3))
    earned, spent = entry(old, 100), entry(old, -30, kind=EntryKind.REDEEM)
    await rig.post(earned, entry(old, 40), entry(new, 5), entry(new, -25), entry(new, 30), spent)
    await rig.post(entry(spare, 7))
    for merged, kept, version in ((old, new, 1), (new, spare, 2)):
        async with rig.ledger() as unit:
            told = ToldMerge(merged.customer_id, kept.customer_id, version)
            for left in await unit.stores.merge(shop, [told]):
                moves = transfers(left.merged.customer_id, left.wallet, left.version, left.lots)
                await unit.stores.post(
                    [
                        NewEntry(IDS.new(), key, draft, AT)
                        for move in moves
                        for key, draft in ((left.merged, move.taken), (left.kept, move.given))
                    ]
                )
        assert (await rig.verify(shop)).first is None, version
    undoing = {"kind": EntryKind.REVERSAL, "source": "reversal"}
    await rig.post(entry(old, 30, undoes=spent.entry_id, reverses=EntryKind.REDEEM, **undoing))
    await rig.post(entry(new, -100, undoes=earned.entry_id, reverses=EntryKind.ADJUST, **undoing))
    await rig.seal()
    proof = await rig.verify(shop)
    assert (proof.first, proof.unsealed) == (None, 0)
    async with rig.ledger() as unit:
        wallet = await unit.stores.wallet(old)
    assert wallet is not None
    assert wallet.spendable == 57


async def test_a_long_transaction_leaves_no_gap(rig: Rig) -> None:
    """What a transaction posts that began first and ended last is sealed, too."""
    shop = uuid4()
    one, other = (WalletKey(shop, uuid4()) for _ in range(2))
    async with rig.ledger() as unit:
        await unit.stores.post([entry(one, 1)])
        await rig.post(entry(other, 2))
        await rig.seal()
        during = await rig.verify(shop)
    assert (during.entries, during.unsealed) == (1, 1)  # it waits for the one before
    await rig.seal()
    after = await rig.verify(shop)
    assert (after.first, after.entries, after.unsealed) == (None, 2, 0)


async def test_many_who_seal_while_many_post_seal_everything_once(rig: Rig) -> None:
    shop = uuid4()
    keys = [WalletKey(shop, uuid4()) for _ in range(5)]

    async def some() -> None:
        for _ in range(10):
            await rig.post(*(entry(key, 1) for key in keys))

    await asyncio.gather(some(), some(), *(rig.seal() for _ in range(20)))
    await rig.seal()
    proof = await rig.verify(shop)
    assert (proof.first, proof.entries, proof.unsealed) == (None, 100, 0)


async def test_every_column_is_sealed(rig: Rig) -> None:
    async with rig.database.transaction(AS_OF_NOW) as connection:
        found = await connection.exec_driver_sql(
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_name = 'points_transactions' ORDER BY ordinal_position"
        )
        assert sorted(found.scalars()) == sorted(SEALED)


async def test_a_restored_dump_counts_on_and_nothing_is_left_out(rig: Rig) -> None:
    """Another server's transactions have lower numbers than those that were sealed."""
    shop = uuid4()
    key = WalletKey(shop, uuid4())
    await rig.post(entry(key, 1))
    await rig.seal()
    async with rig.database.transaction(MIGRATION) as connection:
        await connection.exec_driver_sql(
            "UPDATE chain_progress SET cluster = 1, sealed_to = sealed_to + 1000000"
        )
    await rig.post(entry(key, 2))  # with a number that counts as sealed
    await rig.seal()
    proof = await rig.verify(shop)
    assert (proof.first, proof.entries, proof.unsealed) == (None, 2, 0)
    await rig.post(entry(key, 3))
    assert (await rig.verify(shop)).unsealed == 1
    await rig.seal()
    proof = await rig.verify(shop)
    assert (proof.first, proof.entries, proof.unsealed) == (None, 3, 0)


async def test_a_history_that_was_rewritten_as_a_whole_is_told_by_the_head(rig: Rig) -> None:
    other, shop = await some_history(rig), await some_history(rig)
    kept = (await rig.verify(shop)).head
    assert kept is not None
    async with undone(rig) as connection:
        for table in ("points_transactions", "chain_blocks", "wallets", "lots"):
            await connection.exec_driver_sql(f"DELETE FROM {table} WHERE merchant_id = '{shop}'")
        gone = await verify(PostgresChainReader(connection), shop)
        assert gone.first is None  # nothing is there, and that agrees
        gone = await verify(PostgresChainReader(connection), shop, kept)
        assert gone.first is not None
        assert (gone.first.place, gone.first.name) == (Place.BLOCK, str(BLOCKS))
    another = await rig.verify(other, kept)
    assert another.first is not None
    assert (another.first.place, another.first.name) == (Place.BLOCK, str(BLOCKS))


@pytest.mark.parametrize("written", ["", "1", "1:", "x:00", "0:" + "0" * 64, "1:" + "0" * 63])
async def test_what_is_no_head_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        head_of(written)


class Undo(Exception):
    pass


@asynccontextmanager
async def undone(rig: Rig) -> AsyncIterator[AsyncConnection]:
    """As whoever owns the tables, with the triggers off; nothing lasts."""
    with suppress(Undo):
        async with rig.database.transaction(MIGRATION) as connection:
            for table in ("points_transactions", "chain_blocks"):
                await connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            yield connection
            raise Undo


class Tampering:
    """Changes something of a shop at random, and says what verify should name."""

    def __init__(self, connection: AsyncConnection, shop: UUID, random: Random) -> None:
        self._connection = connection
        self._shop = shop
        self._random = random

    async def done(self, number: int) -> tuple[str, set[tuple[Place, str]]]:
        """``number`` says how: first each column, then each other way, then at random."""
        others = (
            self.wallet, self.delete, self.insert, self.swap_ids, self.swap_points, self.move,
            self.give_away, self.lose_wallet, self.invent_wallet, self.alter_block, self.lose_block,
            self.swap_blocks, self.truncate, self.swap_in_block, self.delete_unsealed,
            self.forge_unsealed, self.lot, self.lot, self.lot, self.lose_lot, self.invent_lot,
            self.move_lot,
        )  # fmt: skip
        if number < len(SEALED):
            return SEALED[number], await self.column(SEALED[number])
        if number < len(SEALED) + len(others):
            how = others[number - len(SEALED)]
        else:
            how = self._random.choice((self.column, *others))
        return how.__name__, await how()

    async def column(self, name: str = "") -> set[tuple[Place, str]]:
        row = await self._entry()
        name = name or self._random.choice(SEALED)
        value = getattr(row, name)
        new: object
        match value:
            case bool():
                new = not value
            case int():
                new = value + self._random.choice((-1, 1, 1000, -1000))
            case UUID():
                new = uuid4()
            case datetime():
                new = value + timedelta(microseconds=self._random.choice((1, -1, 10**9)))
            case str() if name == "kind":
                new = "campaign" if value != "campaign" else "badge"
            case None if name == "reverses":
                new = "redeem"
            case _ if name == "reverses":
                new = None
            case _ if name in ("snapshot", "uses"):
                new = json.dumps({"rate": "3", "was": value})
            case None if name == "undoes":
                new = uuid4()
            case None if name == "expires_at":
                new = AT
            case None if name == "idle_days":
                new = 1
            case _:
                new = f"{value}x"
        await self._set(row.entry_id, name, new)
        return {(Place.ENTRY, str(row.entry_id))}

    async def delete(self) -> set[tuple[Place, str]]:
        row = await self._entry()
        await self._sql("DELETE FROM points_transactions WHERE entry_id = $1", row.entry_id)
        return {(Place.ENTRY, str(row.entry_id))}

    async def insert(self) -> set[tuple[Place, str]]:
        """With the wallet moved to match, as if it had always been there."""
        row = await self._entry()
        new = IDS.new()
        await self._copy(row, new, keeps_tx=True)
        await self._sql(
            "UPDATE wallets SET version = version + 1, spendable = spendable + $2"
            " WHERE customer_id = $1", row.customer_id, 5,
        )  # fmt: skip
        return {(Place.ENTRY, str(new))}

    async def forge_unsealed(self) -> set[tuple[Place, str]]:
        row = await self._entry()
        await self._copy(row, IDS.new(), keeps_tx=False)
        return {(Place.WALLET, str(row.customer_id))}

    async def delete_unsealed(self) -> set[tuple[Place, str]]:
        found = await self._sql(
            "SELECT entry_id, customer_id FROM points_transactions WHERE merchant_id = $1"
            " ORDER BY tx DESC, entry_id LIMIT 1", self._shop,
        )  # fmt: skip
        row = found[0]
        await self._sql("DELETE FROM points_transactions WHERE entry_id = $1", row.entry_id)
        return {(Place.WALLET, str(row.customer_id))}

    async def swap_ids(self) -> set[tuple[Place, str]]:
        one, other = await self._two()
        between = uuid4()
        for old, new in (
            (one.entry_id, between), (other.entry_id, one.entry_id), (between, other.entry_id),
        ):  # fmt: skip
            await self._set(old, "entry_id", new)
        return {(Place.ENTRY, str(each.entry_id)) for each in (one, other)}

    async def swap_points(self) -> set[tuple[Place, str]]:
        """Of one member's two entries, so that the sum stays."""
        found = await self._sql(
            "SELECT entry_id, points FROM points_transactions WHERE kind = 'earn' AND customer_id ="
            " (SELECT customer_id FROM wallets WHERE merchant_id = $1 ORDER BY customer_id LIMIT 1)"
            " ORDER BY entry_id LIMIT 2", self._shop,
        )  # fmt: skip
        one, other = found
        await self._set(one.entry_id, "points", one.points + 1)
        await self._set(other.entry_id, "points", other.points - 1)
        return {(Place.ENTRY, str(one.entry_id))}

    async def move(self) -> set[tuple[Place, str]]:
        """To another member, wallets and all."""
        one, other = await self._two()
        await self._set(one.entry_id, "customer_id", other.customer_id)
        for customer, by in ((one.customer_id, -1), (other.customer_id, 1)):
            await self._sql(
                "UPDATE wallets SET version = version + $2, spendable = spendable + $3"
                " WHERE customer_id = $1", customer, by, by * one.points,
            )  # fmt: skip
        return {(Place.ENTRY, str(one.entry_id))}

    async def give_away(self) -> set[tuple[Place, str]]:
        """To another shop."""
        row = await self._entry()
        await self._set(row.entry_id, "merchant_id", uuid4())
        return {(Place.ENTRY, str(row.entry_id))}

    async def wallet(self) -> set[tuple[Place, str]]:
        row = await self._entry()
        name = self._random.choice(("spendable", "pending", "spent", "expired", "version"))
        by = self._random.choice((-1, 1, 500))
        await self._sql(
            f"UPDATE wallets SET {name} = {name} + $2 WHERE customer_id = $1", row.customer_id, by
        )
        return {(Place.WALLET, str(row.customer_id))}

    async def lot(self) -> set[tuple[Place, str]]:
        change = self._random.choice(
            (
                "remaining = remaining + 1", "points = points + 1", "order_id = order_id || 'x'",
                "expires_at = now()", "idle_days = idle_days + 1",
                "opened_at = opened_at - interval '1 second'",
            )
        )  # fmt: skip
        lot_id, _ = await self._lot()
        await self._sql(f"UPDATE lots SET {change} WHERE lot_id = $1", lot_id)
        return {(Place.LOT, str(lot_id))}

    async def lose_lot(self) -> set[tuple[Place, str]]:
        """One that nobody took from is missed in the sum."""
        lot_id, customer_id = await self._lot()
        await self._sql("DELETE FROM lots WHERE lot_id = $1", lot_id)
        return {(Place.LOT, str(lot_id)), (Place.LOT, str(customer_id))}

    async def invent_lot(self) -> set[tuple[Place, str]]:
        row, new = await self._entry(), uuid4()
        await self._sql(
            "INSERT INTO lots (merchant_id, customer_id, lot_id, points, remaining, opened_at,"
            " idle_days, order_id) VALUES ($1, $2, $3, 9, 9, now(), 0, '')",
            self._shop, row.customer_id, new,
        )  # fmt: skip
        return {(Place.LOT, str(new))}

    async def move_lot(self) -> set[tuple[Place, str]]:
        lot_id, customer_id = await self._lot()
        stranger = uuid4()
        await self._sql("UPDATE lots SET customer_id = $2 WHERE lot_id = $1", lot_id, stranger)
        return {(Place.LOT, str(each)) for each in (lot_id, customer_id)}

    async def _lot(self) -> tuple[UUID, UUID]:
        found = await self._sql(
            "SELECT lot_id, customer_id FROM lots WHERE merchant_id = $1 ORDER BY lot_id",
            self._shop,
        )
        lot_id, customer_id = self._random.choice(found)
        return lot_id, customer_id

    async def lose_wallet(self) -> set[tuple[Place, str]]:
        row = await self._entry()
        await self._sql("DELETE FROM wallets WHERE customer_id = $1", row.customer_id)
        return {(Place.WALLET, str(row.customer_id))}

    async def invent_wallet(self) -> set[tuple[Place, str]]:
        customer = uuid4()
        await self._sql(
            "INSERT INTO wallets (merchant_id, customer_id, spendable, pending, spent, expired,"
            " version) VALUES ($1, $2, 5, 0, 0, 0, 1)", self._shop, customer,
        )  # fmt: skip
        return {(Place.WALLET, str(customer))}

    async def alter_block(self) -> set[tuple[Place, str]]:
        number = self._number()
        change = self._random.choice(
            (
                "hash = sha256(hash)", "prev_hash = sha256(hash)", "count = count + 1",
                "sealed_at = sealed_at + interval '1 microsecond'",
                "digests = array_append(digests, hash)", "digests[3] = hash",
                "entry_ids = array_append(entry_ids, gen_random_uuid())",
            )
        )  # fmt: skip
        await self._sql(
            f"UPDATE chain_blocks SET {change} WHERE merchant_id = $1 AND number = $2",
            self._shop, number,
        )  # fmt: skip
        return {(Place.BLOCK, str(number))}

    async def swap_in_block(self) -> set[tuple[Place, str]]:
        number = self._number()
        found = await self._sql(
            "UPDATE chain_blocks SET entry_ids[2] = entry_ids[4], entry_ids[4] = entry_ids[2]"
            " WHERE merchant_id = $1 AND number = $2 RETURNING entry_ids", self._shop, number,
        )  # fmt: skip
        return {(Place.ENTRY, str(found[0].entry_ids[1]))}

    async def lose_block(self) -> set[tuple[Place, str]]:
        """The last one too: then its entries are in none."""
        number = self._number()
        (row,) = await self._sql(
            "DELETE FROM chain_blocks WHERE merchant_id = $1 AND number = $2 RETURNING entry_ids",
            self._shop, number,
        )  # fmt: skip
        if number == BLOCKS:
            return {(Place.ENTRY, str(min(row.entry_ids)))}
        return {(Place.BLOCK, str(number))}

    async def swap_blocks(self) -> set[tuple[Place, str]]:
        one, other = sorted(self._random.sample(range(1, BLOCKS + 1), 2))
        for old, new in ((one, -1), (other, one), (-1, other)):
            await self._sql(
                "UPDATE chain_blocks SET number = $3 WHERE merchant_id = $1 AND number = $2",
                self._shop, old, new,
            )  # fmt: skip
        return {(Place.BLOCK, str(one))}

    async def truncate(self) -> set[tuple[Place, str]]:
        """The last block with its entries."""
        (row,) = await self._sql(
            "DELETE FROM chain_blocks WHERE merchant_id = $1 AND number = $2 RETURNING entry_ids",
            self._shop, BLOCKS,
        )  # fmt: skip
        found = await self._sql(
            "DELETE FROM points_transactions WHERE entry_id = ANY ($1) RETURNING customer_id",
            row.entry_ids,
        )
        return {(Place.WALLET, str(min(each.customer_id for each in found)))}

    def _number(self) -> int:
        return self._random.randint(1, BLOCKS)

    async def _entry(self) -> Any:
        found = await self._sql(
            "SELECT t.* FROM points_transactions t, chain_blocks b WHERE t.merchant_id = $1"
            " AND b.merchant_id = $1 AND t.entry_id = ANY (b.entry_ids) ORDER BY t.entry_id"
            " OFFSET $2 LIMIT 1", self._shop, self._random.randrange(MEMBERS * BLOCKS * 5),
        )  # fmt: skip
        return found[0]

    async def _two(self) -> tuple[Any, Any]:
        """Of two members."""
        one = other = await self._entry()
        while one.customer_id == other.customer_id:
            other = await self._entry()
        return one, other

    async def _copy(self, row: Any, entry_id: UUID, *, keeps_tx: bool) -> None:
        columns = [each for each in SEALED if each != "tx" or keeps_tx]
        changed = {"entry_id": "$2", "source_ref": "$3", "points": "5", "kind": "'adjust'",
                   "pending": "false", "reverses": "NULL"}  # fmt: skip
        await self._sql(
            f"INSERT INTO points_transactions ({', '.join(columns)})"
            f" SELECT {', '.join(changed.get(each, each) for each in columns)}"
            " FROM points_transactions WHERE entry_id = $1", row.entry_id, entry_id, str(uuid4()),
        )  # fmt: skip

    async def _set(self, entry_id: UUID, column: str, value: object) -> None:
        await self._sql(
            f"UPDATE points_transactions SET {column} = $2 WHERE entry_id = $1", entry_id, value
        )

    async def _sql(self, statement: str, *values: object) -> Any:
        found = await self._connection.exec_driver_sql(statement, values)
        return found.all() if found.returns_rows else ()


async def test_each_of_a_hundred_tamperings_is_named(rig: Rig) -> None:
    shop = await some_history(rig)
    assert (await rig.verify(shop)).first is None
    random = Random(20260501)
    for number in range(TAMPERINGS):
        async with undone(rig) as connection:
            how, expected = await Tampering(connection, shop, random).done(number)
            proof = await verify(PostgresChainReader(connection), shop)
        assert proof.first is not None, f"{number}: {how} was not noticed"
        first: Fault = proof.first
        assert (first.place, first.name) in expected, f"{number}: {how}: {first}, not {expected}"
    assert (await rig.verify(shop)).first is None
