"""``ports.members.Members`` on PostgreSQL."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from adapters.postgres.connection import Connection, Row, text
from adapters.postgres.purchases import member_order
from adapters.postgres.rows import as_rows
from ports.members import Learnt, MemberProfile, Place, RfmPart, TierPart, Told
from ports.purchases import MemberKey


def _newer_of(version: str, *columns: str) -> str:
    """Assignments that take the columns of whichever row has the higher version."""
    return ", ".join(
        f"{column} = CASE WHEN excluded.{version} > c.{version}"
        f" THEN excluded.{column} ELSE c.{column} END"
        for column in (*columns, version)
    )


_RFM: Final = (
    "recency", "frequency", "monetary", "segment", "orders", "spent", "last_order_at"
)  # fmt: skip
# Most news changes neither segment nor tier, and brings no row back.
_LEARN: Final = text(
    f"""
    WITH learnt AS (
        INSERT INTO customers AS c (
            merchant_id, customer_id, shopify_customer_id, recency, frequency, monetary, segment,
            orders, spent, last_order_at, rfm_version, tier, tier_version, created_at, version
        )
        SELECT *, 1 FROM json_to_recordset(CAST(:rows AS json)) AS k (
            merchant_id uuid, customer_id uuid, shopify_customer_id text, recency smallint,
            frequency smallint, monetary smallint, segment text, orders integer, spent numeric,
            last_order_at timestamptz, rfm_version bigint, tier text, tier_version bigint,
            created_at timestamptz
        )
        ON CONFLICT (merchant_id, customer_id) DO UPDATE SET
            {_newer_of("rfm_version", *_RFM)},
            {_newer_of("tier_version", "tier")},
            shopify_customer_id = coalesce(
                nullif(c.shopify_customer_id, ''), excluded.shopify_customer_id
            ),
            created_at = least(c.created_at, excluded.created_at),
            version = c.version + CASE WHEN
                (excluded.rfm_version > c.rfm_version AND excluded.segment <> c.segment)
                OR (excluded.tier_version > c.tier_version AND excluded.tier <> c.tier)
                THEN 1 ELSE 0 END
        WHERE excluded.rfm_version > c.rfm_version OR excluded.tier_version > c.tier_version
            OR excluded.created_at < c.created_at
            OR (c.shopify_customer_id = '' AND excluded.shopify_customer_id <> '')
        RETURNING merchant_id, customer_id, new.shopify_customer_id, new.segment, new.tier,
            new.version, old.version AS old_version, new.left_at
    )
    SELECT * FROM learnt
    WHERE (old_version IS NULL OR old_version < version) AND left_at IS NULL
    """
)
_COUNT: Final = text(
    """
    INSERT INTO member_counts AS m (merchant_id, members)
    SELECT * FROM unnest(CAST(:merchants AS uuid[]), CAST(:members AS bigint[]))
    ON CONFLICT (merchant_id) DO UPDATE SET members = m.members + excluded.members
    """
)
# Who was merged into another is found as who stands for them.
_FIND: Final = text(
    """
    SELECT * FROM customers_searched
    WHERE merchant_id = :merchant_id AND left_at IS NULL AND customer_id = coalesce((
        SELECT kept_id FROM stand_ins
        WHERE merchant_id = :merchant_id AND customer_id = :customer_id
    ), :customer_id)
    """
)
_SEVERAL: Final = text(
    """
    SELECT * FROM customers
    WHERE merchant_id = :merchant_id AND customer_id = ANY(CAST(:customers AS uuid[]))
        AND left_at IS NULL
    """
)
# Who never ordered stands at the beginning of time, so that the list has one plain order and a
# page is one range of its index.
_AT: Final = "coalesce({}, CAST('-infinity' AS timestamptz))"


def _page(*, after: bool, segment: bool, tier: bool) -> str:
    at = _AT.format("last_order_at")
    return f"""
        SELECT * FROM customers_searched WHERE merchant_id = :merchant_id AND left_at IS NULL
        {"AND segment = :segment" if segment else ""}
        {"AND tier = :tier" if tier else ""}
        {
        f"AND ({at}, customer_id) < ({_AT.format('CAST(:at AS timestamptz)')}, :customer_id)"
        if after
        else ""
    }
        ORDER BY {at} DESC, customer_id DESC LIMIT :most
    """


class PostgresMembers:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def learn(self, told: Mapping[MemberKey, Told]) -> Mapping[MemberKey, Learnt]:
        if not told:
            return {}
        # In one order everywhere, so that no two batches deadlock.
        keys = sorted(told, key=member_order)
        rows = await self._connection.execute(
            _LEARN, {"rows": as_rows(_row(key, told[key]) for key in keys)}
        )
        learnt = {
            MemberKey(row.merchant_id, row.customer_id): Learnt(
                shopify_customer_id=row.shopify_customer_id,
                segment=row.segment,
                tier=row.tier,
                version=row.version,
                new=row.old_version is None,
            )
            for row in rows
        }
        new = Counter(key.merchant_id for key, each in learnt.items() if each.new)
        if new:
            merchants = sorted(new)
            await self._connection.execute(
                _COUNT,
                {"merchants": merchants, "members": [new[merchant] for merchant in merchants]},
            )
        return learnt

    async def find(self, key: MemberKey) -> MemberProfile | None:
        row = (await self._connection.execute(_FIND, key._asdict())).one_or_none()
        return None if row is None else _profile(row)

    async def several(
        self, merchant_id: UUID, customers: Sequence[UUID]
    ) -> Sequence[MemberProfile]:
        rows = await self._connection.execute(
            _SEVERAL, {"merchant_id": merchant_id, "customers": list(customers)}
        )
        return [_profile(row) for row in rows]

    async def page(
        self, merchant_id: UUID, *, segment: str, tier: str, after: Place | None, limit: int
    ) -> Sequence[MemberProfile]:
        values: dict[str, Any] = {"merchant_id": merchant_id, "most": limit}
        if segment:
            values["segment"] = segment
        if tier:
            values["tier"] = tier
        if after is not None:
            values |= {"at": after.last_order_at, "customer_id": after.customer_id}
        statement = _page(after=after is not None, segment=bool(segment), tier=bool(tier))
        rows = await self._connection.execute(text(statement), values)
        return [_profile(row) for row in rows]


def _row(key: MemberKey, told: Told) -> dict[str, Any]:
    rfm, tier = told.rfm, told.tier
    return {
        "merchant_id": key.merchant_id,
        "customer_id": key.customer_id,
        "shopify_customer_id": told.shopify_customer_id,
        "recency": rfm.recency,
        "frequency": rfm.frequency,
        "monetary": rfm.monetary,
        "segment": rfm.segment,
        "orders": rfm.orders,
        "spent": rfm.spent,
        "last_order_at": rfm.last_order_at,
        "rfm_version": rfm.version,
        "tier": tier.tier,
        "tier_version": tier.version,
        "created_at": told.at,
    }


def _profile(row: Row) -> MemberProfile:
    return MemberProfile(
        customer_id=row.customer_id,
        shopify_customer_id=row.shopify_customer_id,
        rfm=RfmPart(
            recency=row.recency,
            frequency=row.frequency,
            monetary=row.monetary,
            segment=row.segment,
            orders=row.orders,
            spent=row.spent,
            last_order_at=row.last_order_at,
            version=row.rfm_version,
        ),
        tier=TierPart(row.tier, row.tier_version),
        created_at=row.created_at,
        version=row.version,
    )
