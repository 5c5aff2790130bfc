"""``ports.chain`` on PostgreSQL. What seals never leaves the server; what proves reads in order."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from adapters.chain import KeptWallet, by_member
from adapters.postgres.connection import Connection, Row, Statement, text
from adapters.postgres.tenancy import ACROSS_SHOPS, MOVED_TOO, MOVES, Scope
from domain.points.chain import BLOCK_SIZE, SEALED, Block, Found, Kept, Slot, Stored
from domain.points.lot_books import KeptLot, Terms, Value
from domain.points.wallet import Wallet
from ports.chain import Sealed

AS_OF_NOW: Final = Scope(
    f"{ACROSS_SHOPS} {MOVED_TOO} SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;"
)
"""Sees every shop as it was when the transaction first looked, and changes nothing."""
# PostgreSQL also knows times that never come. No entry has one; whoever finds one has to name it.
_MICROSECONDS: Final = (
    "CASE WHEN isfinite({0}) IS NOT FALSE"
    " THEN CAST(extract(epoch FROM {0}) * 1000000 AS bigint) ELSE 9223372036854775807 END"
)
_WRITTEN: Final = {
    "snapshot": "CAST(t.snapshot AS text)",
    "uses": "CAST(t.uses AS text)",
    "at": _MICROSECONDS.format("t.at"),
    "expires_at": _MICROSECONDS.format("t.expires_at"),
}
AS_SEALED: Final = tuple(_WRITTEN.get(name, f"t.{name}") for name in SEALED)
"""What a digest is of, from an entry ``t``."""
DIGEST: Final = (
    f"sha256(convert_to(CAST(json_build_array({', '.join(AS_SEALED)}) AS text), 'UTF8'))"
)
"""The digest of an entry ``t``."""
_NOW: Final = "CAST(:sealed_at AS timestamptz)"


def _link(prev: str, number: str, sealed_at: str, digests: str) -> str:
    """``domain.points.chain.link`` in SQL; ``digests`` are bytes one after another."""
    at = _MICROSECONDS.format(sealed_at)
    return f"sha256({prev} || int8send({number}) || int8send({at}) || {digests})"


_SHOPS: Final = text(
    "SELECT merchant_id FROM wallets UNION SELECT merchant_id FROM chain_blocks"
    " UNION SELECT merchant_id FROM points_transactions ORDER BY merchant_id"
)
# A shop that is being moved, or has left, is not sealed; until a server is known to be another one
# its numbers say nothing.
_TO_BE_SEALED: Final = text(
    f"""
    SELECT sealed_to,
        shift + CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint) AS next
    FROM chain_progress, pg_control_system()
    WHERE NOT sweeping AND cluster = system_identifier
        AND NOT EXISTS (SELECT FROM {MOVES} WHERE merchant_id = :merchant_id)
    """
)
_BLOCKS: Final = text(
    f"""
    SELECT number, prev_hash, hash, entry_ids, digests, count AS entries,
        {_MICROSECONDS.format("sealed_at")} AS sealed_at
    FROM chain_blocks WHERE merchant_id = :merchant_id ORDER BY number
    """
)
# By member, so that what a wallet is the sum of comes together; PostgreSQL sorts on its disk.
_STORED: Final = text(
    f"""
    SELECT t.customer_id, t.entry_id, t.tx, {", ".join(f"t.v{n}" for n in range(len(SEALED)))},
        s.entry_id AS sealed_id, s.number, s.position, s.digest
    FROM (
        SELECT t.customer_id, t.entry_id, t.tx,
            {", ".join(f"{value} AS v{number}" for number, value in enumerate(AS_SEALED))}
        FROM points_transactions t WHERE t.merchant_id = :merchant_id
    ) AS t
    FULL JOIN (
        SELECT u.entry_id, b.number, u.position, u.digest FROM chain_blocks b,
        unnest(b.entry_ids, b.digests) WITH ORDINALITY AS u (entry_id, digest, position)
        WHERE b.merchant_id = :merchant_id
    ) AS s ON s.entry_id = t.entry_id
    ORDER BY t.customer_id, t.entry_id, s.number, s.position
    """
)
_WALLETS: Final = text(
    """
    SELECT customer_id, spendable, pending, spent, expired, version FROM wallets
    WHERE merchant_id = :merchant_id ORDER BY customer_id
    """
)
_LOTS: Final = text(
    f"""
    SELECT customer_id, lot_id, points, remaining, idle_days, order_id,
        {_MICROSECONDS.format("opened_at")} AS opened_at,
        {_MICROSECONDS.format("expires_at")} AS expires_at
    FROM lots WHERE merchant_id = :merchant_id ORDER BY customer_id, lot_id
    """
)
_HOLD: Final = text(
    """
    SELECT sealed_to, sweeping, shift, cluster <> system_identifier AS is_elsewhere,
        CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint) AS oldest
    FROM chain_progress, pg_control_system() FOR UPDATE OF chain_progress SKIP LOCKED
    """
)
_COUNT_ON: Final = text("SELECT count_transactions_on()")
_SEAL_TO: Final = text(
    """
    SELECT tx FROM points_transactions WHERE tx >= :sealed_to AND tx < :ceiling
    ORDER BY tx OFFSET :most LIMIT 1
    """
)
_ONE_WAITS: Final = text("SELECT EXISTS (SELECT FROM points_transactions WHERE tx >= :sealed_to)")
_KEEP: Final = text("UPDATE chain_progress SET sealed_to = :sealed_to, sweeping = :sweeping")


def _sealing(chosen: str) -> Statement:
    return text(
        f"""
        WITH RECURSIVE fresh AS MATERIALIZED (
            SELECT t.merchant_id, t.entry_id, {DIGEST} AS digest,
                (row_number() OVER (PARTITION BY t.merchant_id ORDER BY t.entry_id) - 1)
                    / {BLOCK_SIZE} AS part
            FROM ({chosen}) AS t
        ),
        parts AS MATERIALIZED (
            SELECT merchant_id, part, array_agg(entry_id ORDER BY entry_id) AS entry_ids,
                array_agg(digest ORDER BY entry_id) AS digests,
                string_agg(digest, '' ORDER BY entry_id) AS packed,
                CAST(count(*) AS integer) AS count
            FROM fresh GROUP BY merchant_id, part
        ),
        shops AS MATERIALIZED (
            SELECT p.merchant_id, l.number, l.hash,
                l.number IS NOT NULL AND l.hash IS DISTINCT FROM (
                    SELECT {_link("l.prev_hash", "l.number", "l.sealed_at", "string_agg(d, '')")}
                    FROM unnest(l.digests) AS d
                ) AS is_broken
            FROM parts p LEFT JOIN LATERAL (
                SELECT * FROM chain_blocks b WHERE b.merchant_id = p.merchant_id
                ORDER BY b.number DESC LIMIT 1
            ) AS l ON true
            WHERE p.part = 0
        ),
        chained AS (
            SELECT p.merchant_id, p.part, n.number, n.prev_hash,
                {_link("n.prev_hash", "n.number", _NOW, "p.packed")} AS hash
            FROM parts p JOIN shops s USING (merchant_id), LATERAL (
                SELECT coalesce(s.number, 0) + 1 AS number,
                    coalesce(s.hash, sha256(uuid_send(p.merchant_id))) AS prev_hash
            ) AS n
            WHERE p.part = 0
            UNION ALL
            SELECT p.merchant_id, p.part, c.number + 1, c.hash,
                {_link("c.hash", "c.number + 1", _NOW, "p.packed")}
            FROM chained c JOIN parts p ON p.merchant_id = c.merchant_id AND p.part = c.part + 1
        ),
        sealed AS (
            INSERT INTO chain_blocks (
                merchant_id, number, prev_hash, hash, entry_ids, digests, count, sealed_at
            )
            SELECT merchant_id, number, prev_hash, hash, entry_ids, digests, count, {_NOW}
            FROM chained JOIN parts USING (merchant_id, part)
            RETURNING count
        )
        SELECT count(*) AS blocks, CAST(coalesce(sum(count), 0) AS bigint) AS entries,
            ARRAY(SELECT merchant_id FROM shops WHERE is_broken ORDER BY merchant_id) AS broken
        FROM sealed
        """
    )


_SEAL: Final = _sealing("SELECT * FROM points_transactions WHERE tx >= :from_tx AND tx < :to_tx")
# Counting is quick, and looking for what is in no block reads all that a shop has: so only where
# something is missing, and without carrying whole rows along.
_NOT_SWEPT: Final = text(
    """
    SELECT e.merchant_id FROM (
        SELECT merchant_id, count(*) AS entries FROM points_transactions
        WHERE tx < :to_tx GROUP BY merchant_id
    ) AS e LEFT JOIN (
        SELECT merchant_id, sum(cardinality(entry_ids)) AS entries FROM chain_blocks
        GROUP BY merchant_id
    ) AS b USING (merchant_id)
    WHERE e.entries > coalesce(b.entries, 0) ORDER BY e.merchant_id
    """
)
_SWEEP: Final = _sealing(
    """
    SELECT e.* FROM (
        SELECT t.customer_id, t.entry_id FROM points_transactions t LEFT JOIN (
            SELECT unnest(b.entry_ids) AS entry_id FROM chain_blocks b
            WHERE b.merchant_id = :merchant_id
        ) AS known ON known.entry_id = t.entry_id
        WHERE t.merchant_id = :merchant_id AND t.tx < :to_tx AND known.entry_id IS NULL
        ORDER BY t.entry_id LIMIT :most
    ) AS n JOIN points_transactions e ON e.merchant_id = :merchant_id
        AND e.customer_id = n.customer_id AND e.entry_id = n.entry_id
    """
)


class _Progress(NamedTuple):
    """Entries of transactions before ``sealed_to`` are in blocks, except while ``sweeping``: then
    some may be left that are in none. Those up to ``seal_to`` can be sealed now, and ``is_more``
    after that."""

    sealed_to: int
    seal_to: int
    sweeping: bool
    is_more: bool


class PostgresChain:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def seal(self, most: int, sealed_at: datetime) -> Sealed | None:
        """All of a transaction at once, when it and every one that began before have ended."""
        progress = await self._hold_progress(most)
        if progress is None:
            return None
        swept = Sealed(0, 0, (), is_more=False)
        sealed_to, seal_to = progress.sealed_to, progress.seal_to
        if progress.sweeping:
            swept = await self._sweep(sealed_to, most, sealed_at)
        asked = {"from_tx": sealed_to, "to_tx": seal_to, "sealed_at": sealed_at}
        sealed = await self._sealed(_SEAL, asked)
        await self._connection.execute(_KEEP, {"sealed_to": seal_to, "sweeping": swept.is_more})
        return Sealed(
            swept.blocks + sealed.blocks,
            swept.entries + sealed.entries,
            (*swept.broken, *sealed.broken),
            is_more=swept.is_more or progress.is_more,
            is_held_up=seal_to == sealed_to and await self._waits_from(sealed_to),
        )

    async def _hold_progress(self, most: int) -> _Progress | None:
        """How far sealing is, held until the transaction ends; None while somebody else seals.
        ``most`` entries, more or less, lie before ``seal_to``."""
        row = await self._held()
        if row is not None and row.is_elsewhere:
            await self._connection.execute(_COUNT_ON)
            row = await self._held()
        if row is None:
            return None
        ceiling = row.oldest + row.shift
        found = await self._connection.execute(
            _SEAL_TO, {"sealed_to": row.sealed_to, "ceiling": ceiling, "most": most}
        )
        beyond = found.scalar_one_or_none()
        # A transaction is sealed as a whole, however many entries it has.
        seal_to = ceiling if beyond is None else max(beyond, row.sealed_to + 1)
        return _Progress(
            row.sealed_to, max(seal_to, row.sealed_to), row.sweeping, beyond is not None
        )

    async def _sweep(self, to_tx: int, most: int, sealed_at: datetime) -> Sealed:
        blocks, entries = 0, 0
        broken: list[UUID] = []
        for merchant_id in (await self._connection.execute(_NOT_SWEPT, {"to_tx": to_tx})).scalars():
            asked = {"merchant_id": merchant_id, "to_tx": to_tx, "most": most - entries}
            of_shop = await self._sealed(_SWEEP, asked | {"sealed_at": sealed_at})
            blocks += of_shop.blocks
            entries += of_shop.entries
            broken += of_shop.broken
            if entries == most:
                break
        return Sealed(blocks, entries, broken, is_more=entries == most)

    async def _waits_from(self, sealed_to: int) -> bool:
        """Whether an entry is there that a transaction which is not over yet keeps waiting."""
        waits = await self._connection.execute(_ONE_WAITS, {"sealed_to": sealed_to})
        return bool(waits.scalar_one())

    async def _held(self) -> Row | None:
        return (await self._connection.execute(_HOLD)).one_or_none()

    async def _sealed(self, statement: Statement, asked: dict[str, Any]) -> Sealed:
        row = (await self._connection.execute(statement, asked)).one()
        return Sealed(row.blocks, row.entries, tuple(row.broken), is_more=False)


def plain_ids(values: Sequence[Any]) -> list[Value]:
    """What ``AS_SEALED`` gave, ids as texts."""
    return [str(each) if isinstance(each, UUID) else each for each in values]


class PostgresChainReader:
    """All of one moment in a transaction ``AS_OF_NOW``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def shops(self) -> Sequence[UUID]:
        return (await self._connection.execute(_SHOPS)).scalars()

    async def blocks(self, merchant_id: UUID) -> AsyncIterator[Block]:
        async for row in self._stream(_BLOCKS, merchant_id, 10):
            yield Block(
                row.number,
                row.prev_hash,
                row.hash,
                # Whatever somebody made of them: arrays may hold nothing, or further arrays.
                [each for each in row.entry_ids if isinstance(each, UUID)],
                [each if isinstance(each, bytes) else b"" for each in row.digests],
                row.entries,
                row.sealed_at,
            )

    def books(self, merchant_id: UUID) -> AsyncIterator[Found | Kept]:
        return by_member(
            self._entries(merchant_id), self._wallets(merchant_id), self._lots(merchant_id)
        )

    async def _entries(self, merchant_id: UUID) -> AsyncIterator[Found]:
        numbers = await self._connection.execute(_TO_BE_SEALED, {"merchant_id": merchant_id})
        to_be_sealed = numbers.one_or_none()
        async for row in self._stream(_STORED, merchant_id):
            told: tuple[Any, ...] = tuple(row)
            customer_id, entry_id, tx, *values, sealed_id, number, position, digest = told
            stored = slot = None
            waits = False
            if entry_id is not None:
                stored = Stored(customer_id, entry_id, plain_ids(values))
                waits = to_be_sealed is None or to_be_sealed.sealed_to <= tx < to_be_sealed.next
            if sealed_id is not None:
                slot = Slot(sealed_id, number, position, digest or b"")
            yield Found(stored, slot, waits)

    async def _wallets(self, merchant_id: UUID) -> AsyncIterator[KeptWallet]:
        async for row in self._stream(_WALLETS, merchant_id):
            wallet = Wallet(row.spendable, row.pending, row.spent, row.expired)
            yield KeptWallet(row.customer_id, wallet, row.version)

    async def _lots(self, merchant_id: UUID) -> AsyncIterator[KeptLot]:
        async for row in self._stream(_LOTS, merchant_id):
            terms = Terms(row.opened_at, row.expires_at, row.idle_days, row.order_id)
            yield KeptLot(row.customer_id, row.lot_id, row.points, row.remaining, terms)

    def _stream(
        self, statement: Statement, merchant_id: UUID, at_once: int = 1000
    ) -> AsyncIterator[Row]:
        return self._connection.stream(statement, {"merchant_id": merchant_id}, at_once)
