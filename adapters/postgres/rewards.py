"""``ports.rewards.Rewards`` on PostgreSQL, and together with the ledger what redeeming needs."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from adapters.postgres.connection import Connection, Row, text
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.merged import stands_for
from adapters.postgres.pooling import PostgresPooling
from adapters.postgres.pos import PostgresSales
from adapters.postgres.rows import as_rows
from domain.points.benefits import from_stored, to_stored
from domain.points.redemption import Redemption, RedemptionState
from domain.points.rewards import Reward, RewardTerms, Tally
from ports.ledger import NewEntry, OrderKey, PostedEntry, WalletKey
from ports.rewards import CodeKey, RedemptionKey, RedemptionsAsked, RewardKey, RewardsAsked

_ADD_REWARD: Final = text(
    """
    INSERT INTO rewards (
        merchant_id, reward_id, version, terms, enabled, archived, stock, taken, created_at,
        updated_at
    )
    VALUES (
        :merchant_id, :reward_id, :version, CAST(:terms AS jsonb), :enabled, :archived, :stock,
        :taken, :created_at, :updated_at
    )
    """
)
_REWARD: Final = text(
    "SELECT * FROM rewards WHERE merchant_id = :merchant_id AND reward_id = :reward_id"
)
_REWARDS: Final = text(
    """
    SELECT * FROM rewards
    WHERE merchant_id = :merchant_id AND reward_id < CAST(:before AS uuid)
        AND (NOT CAST(:offered AS boolean) OR (enabled AND NOT archived))
    ORDER BY reward_id DESC LIMIT :most
    """
)
_SAVE_REWARD: Final = text(
    """
    UPDATE rewards SET version = :version, terms = CAST(:terms AS jsonb), enabled = :enabled,
        archived = :archived, stock = :stock, updated_at = :updated_at
    WHERE merchant_id = :merchant_id AND reward_id = :reward_id AND version = :version - 1
    """
)
_ONE_REWARD: Final = "WHERE merchant_id = :merchant_id AND reward_id = :reward_id"
_TAKE_STOCK: Final = text(
    f"UPDATE rewards SET taken = taken + 1 {_ONE_REWARD} AND (stock IS NULL OR taken < stock)"
)
_GIVE_STOCK_BACK: Final = text(f"UPDATE rewards SET taken = taken - 1 {_ONE_REWARD} AND taken > 0")
_SAME_MEMBER: Final = f"""
    SELECT w.customer_id FROM (
        SELECT {stands_for("a")} AS customer_id FROM wallets a
        WHERE a.merchant_id = :merchant_id AND a.customer_id = :customer_id
    ) AS last
    JOIN wallets w ON w.merchant_id = :merchant_id
        AND (w.customer_id = last.customer_id OR w.merged_into = last.customer_id)
"""
"""Those who are one member by now."""
_TALLY: Final = text(
    f"""
    SELECT k.reward_id, count(*) AS total,
        count(*) FILTER (WHERE r.created_at > k.since) AS within_window
    FROM ({_SAME_MEMBER}) AS m
    JOIN reward_redemptions r ON r.merchant_id = :merchant_id AND r.customer_id = m.customer_id
    JOIN json_to_recordset(CAST(:rows AS json)) AS k (reward_id uuid, since timestamptz)
        ON k.reward_id = r.reward_id
    WHERE r.taken
    GROUP BY k.reward_id
    """
)
_FIELDS: Final[Mapping[str, str]] = {
    "merchant_id": "uuid",
    "redemption_id": "uuid",
    "customer_id": "uuid",
    "shopify_customer_id": "text",
    "reward_id": "uuid",
    "reward_version": "bigint",
    "title": "text",
    "benefit": "jsonb",
    "points": "bigint",
    "paid_by": "uuid",
    "state": "text",
    "created_at": "timestamptz",
    "ends_at": "timestamptz",
    "due_at": "timestamptz",
    "sealed_code": "text",
    "code_digest": "text",
    "returns_on_expiry": "boolean",
    "member_may_cancel": "boolean",
    "taken": "boolean",
    "took_stock": "boolean",
    "tries": "int",
    "external_id": "text",
    "order_id": "text",
    "reason": "text",
    "for_expiry": "boolean",
}
_CHANGING: Final = (
    "paid_by",
    "state",
    "due_at",
    "taken",
    "took_stock",
    "tries",
    "external_id",
    "order_id",
    "reason",
    "for_expiry",
)
_RECORD: Final = ", ".join(f"{name} {kind}" for name, kind in _FIELDS.items())
_ADD_REDEMPTION: Final = text(
    f"""
    INSERT INTO reward_redemptions ({", ".join(_FIELDS)})
    SELECT {", ".join(_FIELDS)} FROM json_to_recordset(CAST(:rows AS json)) AS r ({_RECORD})
    """
)
_SAVE_REDEMPTIONS: Final = text(
    f"""
    UPDATE reward_redemptions t SET {", ".join(f"{name} = r.{name}" for name in _CHANGING)}
    FROM json_to_recordset(CAST(:rows AS json)) AS r ({_RECORD})
    WHERE t.merchant_id = r.merchant_id AND t.redemption_id = r.redemption_id
    """
)
_REDEMPTION: Final = """
    SELECT * FROM reward_redemptions
    WHERE merchant_id = :merchant_id AND redemption_id = :redemption_id
"""
_FIND: Final = text(_REDEMPTION)
_LOCK: Final = text(f"{_REDEMPTION} FOR UPDATE")
_PAGE: Final = """
    SELECT * FROM reward_redemptions
    WHERE merchant_id = :merchant_id AND redemption_id < CAST(:before AS uuid)
"""
_PAGE_END: Final = "ORDER BY redemption_id DESC LIMIT :most"
_LOCK_USED: Final = text(
    """
    SELECT r.* FROM reward_redemptions r
    WHERE (r.merchant_id, r.redemption_id) IN (
        SELECT c.merchant_id, c.redemption_id
        FROM unnest(CAST(:code_shops AS uuid[]), CAST(:digests AS text[])) AS k (merchant_id, name)
        JOIN reward_redemptions c ON c.merchant_id = k.merchant_id AND c.code_digest = k.name
            AND c.code_digest <> ''
        UNION
        SELECT o.merchant_id, o.redemption_id
        FROM unnest(CAST(:order_shops AS uuid[]), CAST(:orders AS text[])) AS k (merchant_id, name)
        JOIN reward_redemptions o ON o.merchant_id = k.merchant_id AND o.order_id = k.name
            AND o.order_id <> ''
    )
    ORDER BY r.merchant_id, r.redemption_id
    FOR UPDATE OF r
    """
)
_TAKE_DUE: Final = text(
    """
    UPDATE reward_redemptions SET due_at = :lease WHERE (merchant_id, redemption_id) IN (
        SELECT merchant_id, redemption_id FROM reward_redemptions WHERE due_at <= :now
        ORDER BY due_at LIMIT :most FOR UPDATE SKIP LOCKED
    )
    RETURNING merchant_id, redemption_id
    """
)
_IN_DOUBT: Final = text(
    f"SELECT count(*) FROM reward_redemptions WHERE state = '{RedemptionState.IN_DOUBT}'"
)
_LAST: Final = UUID(int=2**128 - 1)


class PostgresRewards:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add_reward(self, reward: Reward) -> None:
        await self._connection.execute(_ADD_REWARD, _reward_row(reward))

    async def reward(self, key: RewardKey) -> Reward | None:
        row = (await self._connection.execute(_REWARD, key._asdict())).one_or_none()
        return None if row is None else _reward(row)

    async def rewards(self, asked: RewardsAsked) -> Sequence[Reward]:
        rows = await self._connection.execute(
            _REWARDS,
            {
                "merchant_id": asked.merchant_id,
                "offered": asked.offered,
                "before": asked.before or _LAST,
                "most": asked.limit,
            },
        )
        return [_reward(row) for row in rows]

    async def save_reward(self, reward: Reward) -> bool:
        saved = await self._connection.execute(_SAVE_REWARD, _reward_row(reward))
        return saved.rowcount == 1

    async def take_stock(self, key: RewardKey) -> bool:
        return (await self._connection.execute(_TAKE_STOCK, key._asdict())).rowcount == 1

    async def give_stock_back(self, key: RewardKey) -> None:
        await self._connection.execute(_GIVE_STOCK_BACK, key._asdict())

    async def tally(
        self, member: WalletKey, windows: Mapping[UUID, datetime]
    ) -> Mapping[UUID, Tally]:
        asked = as_rows({"reward_id": each, "since": since} for each, since in windows.items())
        rows = await self._connection.execute(_TALLY, member._asdict() | {"rows": asked})
        found = {row.reward_id: Tally(row.total, row.within_window) for row in rows}
        return {each: found.get(each, Tally()) for each in windows}

    async def add_redemption(self, redemption: Redemption) -> None:
        await self._connection.execute(_ADD_REDEMPTION, {"rows": _redemption_rows([redemption])})

    async def redemption(self, key: RedemptionKey) -> Redemption | None:
        row = (await self._connection.execute(_FIND, key._asdict())).one_or_none()
        return None if row is None else _redemption(row)

    async def redemptions(self, asked: RedemptionsAsked) -> Sequence[Redemption]:
        query = _PAGE
        values: dict[str, object] = {
            "merchant_id": asked.merchant_id,
            "before": asked.before or _LAST,
            "most": asked.limit,
        }
        if asked.customer_id is not None:
            query += f" AND customer_id IN ({_SAME_MEMBER})"
            values["customer_id"] = asked.customer_id
        if asked.state is not None:
            query += " AND state = :state"
            values["state"] = asked.state
        rows = await self._connection.execute(text(f"{query} {_PAGE_END}"), values)
        return [_redemption(row) for row in rows]

    async def lock_redemption(self, key: RedemptionKey) -> Redemption | None:
        row = (await self._connection.execute(_LOCK, key._asdict())).one_or_none()
        return None if row is None else _redemption(row)

    async def lock_used(
        self, codes: Collection[CodeKey], orders: Collection[OrderKey]
    ) -> Sequence[Redemption]:
        rows = await self._connection.execute(
            _LOCK_USED,
            {
                "code_shops": [key.merchant_id for key in codes],
                "digests": [key.code_digest for key in codes],
                "order_shops": [key.merchant_id for key in orders],
                "orders": [key.order_id for key in orders],
            },
        )
        return [_redemption(row) for row in rows]

    async def save_redemptions(self, redemptions: Sequence[Redemption]) -> None:
        if redemptions:
            rows = _redemption_rows(redemptions)
            await self._connection.execute(_SAVE_REDEMPTIONS, {"rows": rows})

    async def take_due(self, now: datetime, lease: datetime, limit: int) -> Sequence[RedemptionKey]:
        rows = await self._connection.execute(
            _TAKE_DUE, {"now": now, "lease": lease, "most": limit}
        )
        return [RedemptionKey(row.merchant_id, row.redemption_id) for row in rows]

    async def count_in_doubt(self) -> int:
        return int((await self._connection.execute(_IN_DOUBT)).scalar_one())


class PostgresRedeeming(PostgresLedger, PostgresPooling, PostgresRewards, PostgresSales):
    """``ports.rewards.Redeeming``."""

    async def post(self, entries: Sequence[NewEntry]) -> Sequence[PostedEntry]:
        posted = await super().post(entries)
        self._alone = None
        return posted


def _reward_row(reward: Reward) -> dict[str, Any]:
    terms = reward.terms
    return {
        "merchant_id": reward.merchant_id,
        "reward_id": reward.reward_id,
        "version": reward.version,
        "terms": msgspec.json.encode(terms).decode(),
        "enabled": terms.enabled,
        "archived": reward.archived,
        "stock": terms.stock,
        "taken": reward.taken,
        "created_at": reward.created_at,
        "updated_at": reward.updated_at,
    }


def _reward(row: Row) -> Reward:
    return Reward(
        merchant_id=row.merchant_id,
        reward_id=row.reward_id,
        version=row.version,
        terms=msgspec.convert(_json(row.terms), RewardTerms, strict=False),
        archived=row.archived,
        taken=row.taken,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _redemption_rows(redemptions: Sequence[Redemption]) -> str:
    return as_rows(
        {name: getattr(each, name) for name in _FIELDS} | {"benefit": to_stored(each.benefit)}
        for each in redemptions
    )


def _redemption(row: Row) -> Redemption:
    values = {name: getattr(row, name) for name in _FIELDS}
    benefit = from_stored(_json(row.benefit))
    return Redemption(**values | {"benefit": benefit, "state": RedemptionState(row.state)})


def _json(stored: Any) -> Any:
    return msgspec.json.decode(stored) if isinstance(stored, str | bytes) else stored
