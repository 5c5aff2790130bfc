"""``ports.moving.PointsStore`` on PostgreSQL: each table as rows in plain values, and back."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid5

import asyncpg

from adapters.nats.outbox import outbox_row, read_outbox
from adapters.nats.relay import ANSWERS_KEPT
from adapters.postgres.chain import DIGEST
from adapters.postgres.connection import Connection, DatabaseError, text
from adapters.postgres.database import Database
from adapters.postgres.moves import GATE
from adapters.postgres.rows import as_rows
from adapters.postgres.tenancy import (
    ACROSS_SHOPS,
    MIGRATION,
    MOVED_TOO,
    MOVES,
    NO_SHOP,
    Scope,
    of_shops,
)
from domain.errors import Unavailable
from domain.points.moving import (
    ANSWERS,
    ORDERS,
    TABLES,
    UNSEALED,
    Cell,
    Kind,
    Row,
    Standing,
    Table,
)
from ports.events import Said
from ports.moving import SOON_FORGOTTEN

_FORGOTTEN_AT_ONCE: Final = 10_000
_TRIES: Final = 20
_PAUSE: Final = 0.5
"""Seconds between tries to stop the service for a moment, in which it goes on."""

_EVERY_SHOP: Final = Scope(f"{ACROSS_SHOPS} {MOVED_TOO}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECONDS: Final = "CAST(extract(epoch FROM {}) * 1000000 AS bigint)"


class _Form(NamedTuple):
    """How a column is told, how it comes over as a field of JSON, and what is made of that."""

    told: str
    field: str
    made: str = "{}"


_PLAIN: Final = "{}"
_FORMS: Final[Mapping[Kind, _Form]] = {
    Kind.ID: _Form("CAST({} AS text)", "uuid"),
    Kind.TEXT: _Form(_PLAIN, "text"),
    Kind.WHOLE: _Form(_PLAIN, "bigint"),
    Kind.FLAG: _Form(_PLAIN, "boolean"),
    Kind.TIME: _Form(_MICROSECONDS, "timestamptz"),
    Kind.ABOUT: _Form(f"{_MICROSECONDS} / 1000 * 1000", "timestamptz"),
    Kind.DAY: _Form("to_char({}, 'YYYY-MM-DD')", "date"),
    Kind.AMOUNT: _Form("CAST({} AS text)", "numeric"),
    Kind.JSON: _Form("CAST({} AS text)", "text", "CAST({} AS jsonb)"),
    Kind.BYTES: _Form("encode({}, 'hex')", "text", "decode({}, 'hex')"),
    Kind.IDS: _Form(
        "CAST(to_jsonb({}) AS text)", "text",
        "ARRAY(SELECT CAST(e AS uuid) FROM jsonb_array_elements_text(CAST({} AS jsonb)) AS e)",
    ),
    Kind.DIGESTS: _Form(
        "CAST(to_jsonb(ARRAY(SELECT encode(e, 'hex') FROM unnest({}) AS e)) AS text)", "text",
        "ARRAY(SELECT decode(e, 'hex') FROM jsonb_array_elements_text(CAST({} AS jsonb)) AS e)",
    ),
}  # fmt: skip
# Texts by their bytes, as every store can order them.
_BYTEWISE: Final = frozenset({Kind.TEXT})
# Rewards have their stock once more, to be compared with what was taken of it.
_COMPUTED: Final[Mapping[str, Mapping[str, str]]] = {
    "rewards": {"stock": "CAST(CAST(r.terms AS jsonb) ->> 'stock' AS bigint)"}
}
_REFUNDS: Final = "refunds"
_ORDER_AND_REFUNDS: Final = f"""
    SELECT coalesce(o.order_id, r.order_id) AS order_id, o.customer_id, o.currency,
        o.financial_status, o.created_at, o.updated_at, o.merchandise, o.shipping, o.tax, o.test,
        o.paid_at, o.cancelled_at, o.fulfilled_at, o.lines,
        coalesce(r.refunds, CAST('[]' AS jsonb)) AS refunds
    FROM (SELECT * FROM orders WHERE merchant_id = :shop) AS o
    FULL JOIN (
        SELECT order_id, jsonb_agg(
            jsonb_build_array(
                refund_id, CAST(merchandise AS text), {_MICROSECONDS.format("created_at")}
            ) ORDER BY refund_id COLLATE "C"
        ) AS refunds
        FROM refunds WHERE merchant_id = :shop GROUP BY order_id
    ) AS r ON r.order_id = o.order_id
"""
_IN_NO_BLOCK: Final = f"""
    SELECT t.entry_id, {DIGEST} AS digest FROM points_transactions t
    LEFT JOIN (
        SELECT unnest(entry_ids) AS entry_id FROM chain_blocks WHERE merchant_id = :shop
    ) AS b ON b.entry_id = t.entry_id
    WHERE t.merchant_id = :shop AND b.entry_id IS NULL
"""
_MADE_OF: Final[Mapping[str, str]] = {ORDERS.name: _ORDER_AND_REFUNDS, UNSEALED.name: _IN_NO_BLOCK}
"""What is not simply a table here."""
_ADD_REFUNDS: Final = text(
    """
    INSERT INTO refunds (merchant_id, order_id, refund_id, merchandise, created_at)
    SELECT :shop, r.* FROM json_to_recordset(CAST(:rows AS json))
        AS r (order_id text, refund_id text, merchandise numeric, created_at timestamptz)
    ON CONFLICT DO NOTHING
    """
)
TABLES_HERE: Final = (*(each.name for each in TABLES if each is not UNSEALED), _REFUNDS)
"""All that rows of a shop are in."""
_ONLY_GROWING: Final = frozenset(each.name for each in TABLES if each.only_grows)
_ONE_LEFT: Final = "EXISTS (SELECT FROM {} WHERE merchant_id = :shop)"
_HOLDS: Final = text(f"SELECT {' OR '.join(map(_ONE_LEFT.format, TABLES_HERE))}")
_SHOPS: Final = text(
    " UNION ".join(f"SELECT merchant_id FROM {name}" for name in TABLES_HERE)
    + " ORDER BY merchant_id"
)
_STANDING: Final = text(f"SELECT standing FROM {MOVES} WHERE merchant_id = :shop")
_HOLD_STANDING: Final = text(f"{_STANDING.text} FOR SHARE")
# Whoever comes after us waits as long as we do.
_BRIEFLY: Final = text("SET LOCAL lock_timeout = '1s'")
_BE_ALONE: Final = text("SELECT pg_try_advisory_xact_lock(76213)")
_SHUT_THE_GATE: Final = text(f"SELECT pg_advisory_xact_lock({GATE})")
_STAND: Final = text(
    f"""
    INSERT INTO {MOVES} (merchant_id, standing, at) VALUES (:shop, :standing, now())
    ON CONFLICT (merchant_id) DO UPDATE SET standing = excluded.standing, at = excluded.at
    """
)
_BE_HERE: Final = text(f"DELETE FROM {MOVES} WHERE merchant_id = :shop")
# What was sealed elsewhere has numbers of transactions that this server may not have reached.
_SEALING: Final = text(
    """
    SELECT p.sealed_to, p.shift + CAST(CAST(pg_current_xact_id() AS text) AS bigint) AS present,
        coalesce((SELECT max(tx) FROM points_transactions WHERE merchant_id = :shop), 0) AS last,
        (SELECT count(*) FROM points_transactions WHERE merchant_id = :shop) > coalesce(
            (SELECT sum(count) FROM chain_blocks WHERE merchant_id = :shop), 0
        ) AS is_left
    FROM chain_progress p FOR UPDATE OF p
    """
)
_COUNT_ON: Final = text("SELECT count_transactions_on()")
_SEALED_TO_PRESENT: Final = text("UPDATE chain_progress SET sealed_to = :present, sweeping = true")
_SEALED_TO_SHIFT: Final = text("UPDATE chain_progress SET sealed_to = shift, sweeping = true")
_SWEEP: Final = text("UPDATE chain_progress SET sweeping = true")
_SAID: Final = text(
    "SELECT id, at, events FROM outbox WHERE position(:shop IN events) > 0 ORDER BY at, id"
)
_HOLD_SAID: Final = text(
    "SELECT id, at, events FROM outbox WHERE id = ANY(CAST(:ids AS uuid[])) FOR UPDATE"
)
_KEEP_SAID: Final = text("UPDATE outbox SET events = :events WHERE id = :id")
_DROP_SAID: Final = text("DELETE FROM outbox WHERE id = :id")
_SAY: Final = text(
    "INSERT INTO outbox (id, at, events) VALUES (:id, :at, :events) ON CONFLICT DO NOTHING"
)


class PostgresPointsStore:
    name: Final = "postgres"

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[None, None]:
        """Nobody else moves anything meanwhile. Raises Unavailable when somebody does."""
        async with self._database.transaction(NO_SHOP) as connection:
            if not (await connection.execute(_BE_ALONE)).scalar_one():
                raise Unavailable("Shops are being moved already; wait for that to end.")
            yield

    async def shops(self) -> Sequence[UUID]:
        async with self._database.transaction(_EVERY_SHOP) as connection:
            return (await connection.execute(_SHOPS)).scalars()

    async def holds(self, shop: UUID) -> bool:
        async with self._database.transaction(of_shops([shop])) as connection:
            return await _holds(connection, shop)

    async def standing(self, shop: UUID) -> Standing:
        async with self._database.transaction(of_shops([shop])) as connection:
            return await _standing(connection, shop)

    async def stand(self, shop: UUID, standing: Standing) -> None:
        async with self._gate_shut() as connection:
            if standing is Standing.HERE:
                await _seal_from_here(connection, shop)
                await connection.execute(_BE_HERE, {"shop": shop})
            else:
                await connection.execute(_STAND, {"shop": shop, "standing": standing.value})

    async def arrive(self, shop: UUID) -> bool:
        async with self._gate_shut() as connection:
            if await _standing(connection, shop) is Standing.HERE and await _holds(
                connection, shop
            ):
                return False
            arriving = {"shop": shop, "standing": Standing.ARRIVING.value}
            await connection.execute(_STAND, arriving)
            return True

    @asynccontextmanager
    async def _gate_shut(self) -> AsyncGenerator[Connection, None]:
        """A transaction beside which none of the service runs. Raises Unavailable when one of those
        that do does not end."""
        for _ in range(_TRIES):
            async with self._database.transaction(_EVERY_SHOP) as connection:
                if await _shut_the_gate(connection):
                    yield connection
                    return
            await asyncio.sleep(_PAUSE)
        raise Unavailable("A transaction of the points service does not end; try again.")

    async def rows(self, shop: UUID, table: Table, now: datetime) -> AsyncGenerator[Row, None]:
        query = text(_reading(table))
        asked: dict[str, Any] = {"shop": shop}
        if table is ANSWERS:
            asked["since"] = now - ANSWERS_KEPT + SOON_FORGOTTEN
        async with self._database.transaction(of_shops([shop])) as connection:
            async for row in connection.stream(query, asked, table.at_once):
                yield row._asdict()

    async def clear(self, shop: UUID, table: Table) -> None:
        if table is UNSEALED:
            return  # what is in no block is not written down besides
        names = (table.name, _REFUNDS) if table is ORDERS else (table.name,)
        async with self._database.transaction(of_shops([shop])) as connection:
            await _insist_on_arriving(connection, shop)
            for name in names:
                query = f"DELETE FROM {name} WHERE merchant_id = :shop"
                await connection.execute(text(query), {"shop": shop})

    async def add(self, shop: UUID, table: Table, rows: Sequence[Row]) -> None:
        if table is UNSEALED:
            return
        async with self._database.transaction(of_shops([shop])) as connection:
            await _insist_on_arriving(connection, shop)
            if table is ORDERS:
                refunds = as_rows(_refunds(rows))
                await connection.execute(_ADD_REFUNDS, {"shop": shop, "rows": refunds})
                rows = [row for row in rows if row["customer_id"] is not None]
            fields = as_rows(
                {name: _field(kind, row[name]) for name, kind in _columns(table).items()}
                for row in rows
            )
            await connection.execute(text(_writing(table)), {"shop": shop, "rows": fields})

    async def unsent(self, shop: UUID) -> Sequence[Said]:
        async with self._database.transaction(NO_SHOP) as connection:
            rows = await connection.execute(_SAID, {"shop": f".{shop}"})
            said = [read_outbox(row.id, row.at, row.events) for row in rows]
        return [own for each in said if (own := _part(each, shop, own=True)).events]

    async def take_over(self, shop: UUID, said: Sequence[Said]) -> None:
        async with self._database.transaction(NO_SHOP) as connection:
            for each in said:
                # By another id: what a transaction said for several shops is in several parts now.
                row = {"id": uuid5(shop, each.id.hex), "at": each.at, "events": outbox_row(each)}
                await connection.execute(_SAY, row)

    async def drop(self, shop: UUID, said: Sequence[Said]) -> None:
        async with self._database.transaction(NO_SHOP) as connection:
            held = await connection.execute(_HOLD_SAID, {"ids": [each.id for each in said]})
            for row in held.all():
                whole = read_outbox(row.id, row.at, row.events)
                others = _part(whole, shop, own=False)
                if others.events:
                    kept = {"id": row.id, "events": outbox_row(others)}
                    await connection.execute(_KEEP_SAID, kept)
                else:
                    await connection.execute(_DROP_SAID, {"id": row.id})

    async def forget(self, shop: UUID) -> None:
        # By the owner of the tables, who alone may lift what keeps entries from being removed.
        for table in TABLES_HERE:
            while await self._forget_some(shop, table):
                pass

    async def _forget_some(self, shop: UUID, table: str) -> int:
        """Not all at once: nobody posts anything meanwhile."""
        query = f"""
            DELETE FROM {table} WHERE ctid = ANY(ARRAY(
                SELECT ctid FROM {table} WHERE merchant_id = :shop LIMIT {_FORGOTTEN_AT_ONCE}
            ))
        """
        triggers = f"ALTER TABLE {table} {{}} TRIGGER USER"
        async with self._database.transaction(MIGRATION) as connection:
            if table in _ONLY_GROWING:
                await connection.run(triggers.format("DISABLE"))
            gone = (await connection.execute(text(query), {"shop": shop})).rowcount
            if table in _ONLY_GROWING:
                await connection.run(triggers.format("ENABLE"))
        return gone


async def _holds(connection: Connection, shop: UUID) -> bool:
    return bool((await connection.execute(_HOLDS, {"shop": shop})).scalar_one())


async def _standing(connection: Connection, shop: UUID) -> Standing:
    found = (await connection.execute(_STANDING, {"shop": shop})).scalar_one_or_none()
    return Standing.HERE if found is None else Standing(found)


async def _insist_on_arriving(connection: Connection, shop: UUID) -> None:
    """Raises Unavailable when somebody else has ended this move; until this ends nobody can."""
    held = await connection.execute(_HOLD_STANDING, {"shop": shop})
    if held.scalar_one_or_none() != Standing.ARRIVING.value:
        raise Unavailable(
            f"The shop {shop} does not arrive in {PostgresPointsStore.name} any more."
        )


async def _shut_the_gate(connection: Connection) -> bool:
    """Whether no transaction of the service runs from now until this one ends."""
    await connection.execute(_BRIEFLY)
    try:
        async with connection.savepoint():
            await connection.execute(_SHUT_THE_GATE)
    except DatabaseError as error:
        if not isinstance(error.__cause__, asyncpg.LockNotAvailableError):
            raise
        return False
    return True


async def _seal_from_here(connection: Connection, shop: UUID) -> None:
    """Let sealing go on where the shop's chain ends: what is in its blocks is not sealed again, and
    what is in none is found. Behind the gate, where nobody posts and all numbers below the present
    one are complete."""
    row = (await connection.execute(_SEALING, {"shop": shop})).one()
    if row.last >= row.present:
        await connection.execute(_COUNT_ON)
        await connection.execute(_SEALED_TO_SHIFT)
    elif row.last >= row.sealed_to:
        await connection.execute(_SEALED_TO_PRESENT, {"present": row.present})
    elif row.is_left:
        await connection.execute(_SWEEP)


def _columns(table: Table) -> Mapping[str, Kind]:
    """Those of the table itself."""
    return {name: kind for name, kind in table.columns.items() if name != _REFUNDS}


def _reading(table: Table) -> str:
    told = ", ".join(
        f"{_FORMS[kind].told.format(f't.{name}')} AS {name}" for name, kind in table.columns.items()
    )
    rows = _MADE_OF.get(table.name, f"SELECT * FROM {table.name} WHERE merchant_id = :shop")
    since = "WHERE t.at > CAST(:since AS timestamptz)" if table is ANSWERS else ""
    keys = [
        f't.{name} COLLATE "C"' if kind in _BYTEWISE else f"t.{name}"
        for name, kind in table.key.items()
    ]
    order = f"ORDER BY {', '.join(keys)}" if keys else ""
    return f"SELECT {told} FROM ({rows}) AS t {since} {order}"


def _writing(table: Table) -> str:
    columns = _columns(table)
    computed = _COMPUTED.get(table.name, {})
    fields = ", ".join(f"{name} {_FORMS[kind].field}" for name, kind in columns.items())
    made = [_FORMS[kind].made.format(f"r.{name}") for name, kind in columns.items()]
    return f"""
        INSERT INTO {table.name} (merchant_id, {", ".join((*columns, *computed))})
        SELECT :shop, {", ".join((*made, *computed.values()))}
        FROM json_to_recordset(CAST(:rows AS json)) AS r ({fields})
        ON CONFLICT DO NOTHING
    """


def _field(kind: Kind, cell: Cell) -> object:
    if kind in (Kind.TIME, Kind.ABOUT) and isinstance(cell, int):
        return _EPOCH + timedelta(microseconds=cell)
    return cell


def _refunds(orders: Sequence[Row]) -> Sequence[Mapping[str, object]]:
    return [
        {
            "order_id": order["order_id"],
            "refund_id": refund_id,
            "merchandise": merchandise,
            "created_at": _field(Kind.TIME, created_at),
        }
        for order in orders
        for refund_id, merchandise, created_at in json.loads(str(order["refunds"]))
    ]


def _part(said: Said, shop: UUID, *, own: bool) -> Said:
    """What is of this shop, or of others."""
    events = [each for each in said.events if each.subject.endswith(f".{shop}") == own]
    return replace(said, events=tuple(events))
