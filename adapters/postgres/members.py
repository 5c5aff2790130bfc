"""``ports.members.Members`` on PostgreSQL."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.purchases import columns_of
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
_LEARN: Final = text(
    f"""
    INSERT INTO customers AS c (
        merchant_id, customer_id, shopify_customer_id, recency, frequency, monetary, segment,
        orders, spent, last_order_at, rfm_version, tier, tier_version, created_at, version
    )
    SELECT *, 1 FROM unnest(
        CAST(:merchants AS uuid[]), CAST(:customers AS uuid[]), CAST(:shopify_ids AS text[]),
        CAST(:r AS smallint[]), CAST(:f AS smallint[]), CAST(:m AS smallint[]),
        CAST(:segments AS text[]), CAST(:orders AS integer[]), CAST(:spent AS numeric[]),
        CAST(:lasts AS timestamptz[]), CAST(:rfm_versions AS bigint[]), CAST(:tiers AS text[]),
        CAST(:tier_versions AS bigint[]), CAST(:ats AS timestamptz[])
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
    RETURNING new.*, old.version AS old_version
    """
)
_COUNT: Final = text(
    """
    INSERT INTO member_counts AS m (merchant_id, members)
    SELECT * FROM unnest(CAST(:merchants AS uuid[]), CAST(:members AS bigint[]))
    ON CONFLICT (merchant_id) DO UPDATE SET members = m.members + excluded.members
    """
)
_FIND: Final = text(
    "SELECT * FROM customers WHERE merchant_id = :merchant_id AND customer_id = :customer_id"
)
# Who never ordered stands at the beginning of time, so that the list has one plain order and a
# page is one range of its index.
_AT: Final = "coalesce({}, CAST('-infinity' AS timestamptz))"


def _page(*, after: bool, segment: bool, tier: bool) -> str:
    at = _AT.format("last_order_at")
    return f"""
        SELECT * FROM customers WHERE merchant_id = :merchant_id
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
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def learn(self, told: Mapping[MemberKey, Told]) -> Mapping[MemberKey, Learnt]:
        if not told:
            return {}
        keys = sorted(told)  # in one order everywhere, so that no two batches deadlock
        found = [told[key] for key in keys]
        rows = await self._connection.execute(
            _LEARN,
            columns_of(keys)
            | {
                "shopify_ids": [each.shopify_customer_id for each in found],
                "r": [each.rfm.recency for each in found],
                "f": [each.rfm.frequency for each in found],
                "m": [each.rfm.monetary for each in found],
                "segments": [each.rfm.segment for each in found],
                "orders": [each.rfm.orders for each in found],
                "spent": [each.rfm.spent for each in found],
                "lasts": [each.rfm.last_order_at for each in found],
                "rfm_versions": [each.rfm.version for each in found],
                "tiers": [each.tier.tier for each in found],
                "tier_versions": [each.tier.version for each in found],
                "ats": [each.at for each in found],
            },
        )
        learnt = {
            MemberKey(row.merchant_id, row.customer_id): Learnt(
                profile=_profile(row),
                new=row.old_version is None,
                changed=row.old_version is not None and row.version > row.old_version,
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


def _profile(row: Row[Any]) -> MemberProfile:
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
