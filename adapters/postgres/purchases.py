"""``ports.purchases.Buyers`` on PostgreSQL: orders know what they add, profiles add up changes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.rows import as_rows
from domain.rfm.profile import NOBODY, Profile
from ports.ledger import OrderKey
from ports.purchases import Bought, Buyer, MemberKey, Purchases

_LEARN_REFUNDS: Final = text(
    """
    INSERT INTO refunds AS r (merchant_id, order_id, refund_id, merchandise)
    SELECT * FROM json_to_recordset(CAST(:rows AS json))
        AS k (merchant_id uuid, order_id text, refund_id text, merchandise numeric)
    ON CONFLICT (merchant_id, order_id, refund_id) DO UPDATE SET merchandise = excluded.merchandise
    WHERE r.merchandise < excluded.merchandise
    RETURNING merchant_id, order_id, new.merchandise - coalesce(old.merchandise, 0) AS more
    """
)
# The rule of ``domain.points.orders.merge``, where the rows are: the upsert takes the row's lock,
# so no two transactions merge into the same order at once, and nothing has to be locked before.
_NEWER: Final = """
    excluded.customer_id IS NOT NULL AND (
        o.customer_id IS NULL
        OR (excluded.updated_at, excluded.customer_id, excluded.merchandise)
            > (o.updated_at, o.customer_id, o.merchandise)
    )
"""
_LEARN_ORDERS: Final = text(
    f"""
    INSERT INTO orders AS o (
        merchant_id, order_id, customer_id, at, updated_at, merchandise, refunded, test, cancelled
    )
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS k (
        merchant_id uuid, order_id text, customer_id uuid, at timestamptz, updated_at timestamptz,
        merchandise numeric, refunded numeric, test boolean, cancelled boolean
    )
    ON CONFLICT (merchant_id, order_id) DO UPDATE SET
        customer_id = CASE WHEN {_NEWER} THEN excluded.customer_id ELSE o.customer_id END,
        updated_at = CASE WHEN {_NEWER} THEN excluded.updated_at ELSE o.updated_at END,
        merchandise = CASE WHEN {_NEWER} THEN excluded.merchandise ELSE o.merchandise END,
        at = least(o.at, excluded.at),
        refunded = o.refunded + excluded.refunded,
        test = o.test OR excluded.test,
        cancelled = o.cancelled OR excluded.cancelled
    WHERE {_NEWER} OR excluded.at < o.at OR excluded.refunded > 0
        OR (excluded.test AND NOT o.test) OR (excluded.cancelled AND NOT o.cancelled)
    RETURNING merchant_id, order_id, new.customer_id, new.counts, new.spend, new.at,
        old.customer_id AS old_customer_id, coalesce(old.counts, false) AS old_counts,
        old.spend AS old_spend, old.at AS old_at
    """
)
_GROW: Final = text(
    """
    INSERT INTO profiles AS p (
        merchant_id, customer_id, shopify_customer_id, orders, spent, first_order_at, last_order_at
    )
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS k (
        merchant_id uuid, customer_id uuid, shopify_customer_id text, orders integer,
        spent numeric, first_order_at timestamptz, last_order_at timestamptz
    )
    ON CONFLICT (merchant_id, customer_id) DO UPDATE SET
        orders = p.orders + excluded.orders, spent = p.spent + excluded.spent,
        first_order_at = least(p.first_order_at, excluded.first_order_at),
        last_order_at = greatest(p.last_order_at, excluded.last_order_at)
    RETURNING merchant_id, customer_id, new.shopify_customer_id, new.orders, new.spent,
        new.first_order_at, new.last_order_at, old.orders AS old_orders, old.spent AS old_spent,
        old.first_order_at AS old_first_order_at, old.last_order_at AS old_last_order_at
    """
)
# The first and the last of the orders that are left: two probes of an index per member.
_DATE: Final = text(
    """
    UPDATE profiles AS p SET
        first_order_at = (
            SELECT min(o.at) FROM orders o
            WHERE o.merchant_id = p.merchant_id AND o.customer_id = p.customer_id AND o.counts
        ),
        last_order_at = (
            SELECT max(o.at) FROM orders o
            WHERE o.merchant_id = p.merchant_id AND o.customer_id = p.customer_id AND o.counts
        )
    FROM unnest(CAST(:merchants AS uuid[]), CAST(:customers AS uuid[])) AS k (merchant, customer)
    WHERE p.merchant_id = k.merchant AND p.customer_id = k.customer
    RETURNING p.merchant_id, p.customer_id, p.orders, p.spent, p.first_order_at, p.last_order_at
    """
)
_LOCK: Final = text(
    """
    SELECT p.* FROM unnest(CAST(:merchants AS uuid[]), CAST(:customers AS uuid[]))
        AS k (merchant_id, customer_id)
    JOIN profiles p USING (merchant_id, customer_id)
    ORDER BY p.merchant_id, p.customer_id
    FOR UPDATE OF p
    """
)


@dataclass(slots=True)
class _Growth:
    """What a batch adds to a member's profile; ``redated`` when an order no longer counts where it
    did, so that the first or the last may be another one."""

    order: OrderKey
    orders: int = 0
    spent: Decimal = Decimal(0)
    first: datetime | None = None
    last: datetime | None = None
    redated: bool = False

    def add(self, at: datetime, spend: Decimal) -> None:
        self.orders += 1
        self.spent += spend
        self.first = at if self.first is None else min(self.first, at)
        self.last = at if self.last is None else max(self.last, at)

    def take(self, spend: Decimal) -> None:
        self.orders -= 1
        self.spent -= spend
        self.redated = True


class PostgresBuyers:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def learn(self, purchases: Purchases) -> Mapping[MemberKey, Bought]:
        refunded = await self._learn_refunds(purchases)
        growths = await self._learn_orders(purchases, refunded)
        return await self._grow(growths, purchases) if growths else {}

    async def lock_buyers(self, keys: Iterable[MemberKey]) -> Mapping[MemberKey, Buyer]:
        rows = await self._connection.execute(_LOCK, columns_of(sorted(keys)))
        return {
            MemberKey(row.merchant_id, row.customer_id): Buyer(
                profile_in(row), row.shopify_customer_id
            )
            for row in rows
        }

    async def _learn_refunds(self, purchases: Purchases) -> dict[OrderKey, Decimal]:
        """How much more of each order has been refunded than was known."""
        refunds = [
            {
                "merchant_id": key.merchant_id,
                "order_id": key.order_id,
                "refund_id": refund_id,
                "merchandise": merchandise,
            }
            for key, told in sorted(purchases.refunds.items())
            for refund_id, merchandise in sorted(told.items())
        ]
        if not refunds:
            return {}
        rows = await self._connection.execute(_LEARN_REFUNDS, {"rows": as_rows(refunds)})
        more: dict[OrderKey, Decimal] = {}
        for row in rows:
            key = OrderKey(row.merchant_id, row.order_id)
            more[key] = more.get(key, Decimal(0)) + row.more
        return more

    async def _learn_orders(
        self, purchases: Purchases, refunded: Mapping[OrderKey, Decimal]
    ) -> dict[MemberKey, _Growth]:
        orders: dict[OrderKey, dict[str, Any]] = {
            key: {
                "merchant_id": key.merchant_id,
                "order_id": key.order_id,
                "customer_id": facts.customer_id,
                "at": facts.created_at,
                "updated_at": facts.updated_at,
                "merchandise": facts.merchandise,
                "refunded": 0,
                "test": facts.test,
                "cancelled": facts.cancelled,
            }
            for key, facts in purchases.orders.items()
        }
        for key, more in refunded.items():
            orders.setdefault(key, _unheard(key))["refunded"] = more
        if not orders:
            return {}
        in_order = sorted(orders, key=lambda key: (key.merchant_id.bytes, key.order_id))
        rows = await self._connection.execute(
            _LEARN_ORDERS, {"rows": as_rows(orders[key] for key in in_order)}
        )
        growths: dict[MemberKey, _Growth] = {}
        for row in rows:
            _add_order(growths, row)
        return growths

    async def _grow(
        self, growths: Mapping[MemberKey, _Growth], purchases: Purchases
    ) -> Mapping[MemberKey, Bought]:
        # In one order everywhere, so that no two batches deadlock.
        ordered = sorted(growths.items(), key=lambda growth: member_order(growth[0]))
        rows = await self._connection.execute(
            _GROW,
            {
                "rows": as_rows(
                    {
                        "merchant_id": key.merchant_id,
                        "customer_id": key.customer_id,
                        "shopify_customer_id": purchases.shopify_ids.get(key, ""),
                        "orders": growth.orders,
                        "spent": growth.spent,
                        "first_order_at": growth.first,
                        "last_order_at": growth.last,
                    }
                    for key, growth in ordered
                )
            },
        )
        grown = rows.all()
        redated = [key for key, growth in ordered if growth.redated]
        dated: dict[MemberKey, Profile] = {}
        if redated:
            for row in await self._connection.execute(_DATE, columns_of(redated)):
                dated[MemberKey(row.merchant_id, row.customer_id)] = profile_in(row)
        bought = {}
        for row in grown:
            key = MemberKey(row.merchant_id, row.customer_id)
            after = dated.get(key) or profile_in(row)
            cause = purchases.causes[growths[key].order]
            bought[key] = Bought(_before(row), after, row.shopify_customer_id, cause)
        return bought


def member_order(key: MemberKey) -> tuple[bytes, bytes]:
    """Sorts members as PostgreSQL does. Bytes compare much faster than ids."""
    return key.merchant_id.bytes, key.customer_id.bytes


def columns_of(keys: Iterable[MemberKey]) -> dict[str, list[Any]]:
    """Members as the arrays ``:merchants`` and ``:customers`` of a statement."""
    keys = list(keys)
    return {
        "merchants": [key.merchant_id for key in keys],
        "customers": [key.customer_id for key in keys],
    }


def profile_in(row: Row[Any]) -> Profile:
    """The profile in a row of ``profiles``, or one joined with it."""
    return Profile(row.orders, row.spent, row.first_order_at, row.last_order_at)


def _unheard(key: OrderKey) -> dict[str, Any]:
    """The row of an order of which nothing is told but its refunds."""
    return {
        "merchant_id": key.merchant_id,
        "order_id": key.order_id,
        "test": False,
        "cancelled": False,
    }


def _before(row: Row[Any]) -> Profile:
    if row.old_orders is None:
        return NOBODY
    return Profile(row.old_orders, row.old_spent, row.old_first_order_at, row.old_last_order_at)


def _add_order(growths: dict[MemberKey, _Growth], row: Row[Any]) -> None:
    """What an order's row, now and before, means for the profiles of its members."""
    order = OrderKey(row.merchant_id, row.order_id)

    def growth_of(customer: Any) -> _Growth:
        growth = growths.setdefault(MemberKey(row.merchant_id, customer), _Growth(order))
        growth.order = order
        return growth

    if row.counts and row.old_counts and row.customer_id == row.old_customer_id:
        if row.spend != row.old_spend or row.at != row.old_at:
            growth = growth_of(row.customer_id)
            growth.spent += row.spend - row.old_spend
            growth.redated |= row.at != row.old_at
        return
    if row.old_counts:
        growth_of(row.old_customer_id).take(row.old_spend)
    if row.counts:
        growth_of(row.customer_id).add(row.at, row.spend)
