"""``ports.purchases.Buyers`` on PostgreSQL: orders know what they add, profiles add up changes."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from adapters.postgres.connection import Connection, Row, text
from adapters.postgres.rows import as_rows
from domain.errors import Unavailable
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
# Orders and profiles in one statement, so that what an order means for a profile never leaves
# PostgreSQL; most news of an order (it was paid, it was sent) means nothing for one, and no row.
# An order that moves to another member is taken from one and given to the other. Locks come in one
# order everywhere, first the orders', then the profiles', so that no two batches deadlock. What a
# merged member orders is ordered by who stands for them.
_LEARN_ORDERS: Final = text(
    f"""
    WITH told AS MATERIALIZED (
        SELECT k.merchant_id, order_id, coalesce(p.merged_into, k.customer_id) AS customer_id, at,
            updated_at, merchandise, refunded, test, cancelled,
            CASE WHEN p.merged_into IS NULL THEN k.shopify_customer_id ELSE '' END
                AS shopify_customer_id
        FROM json_to_recordset(CAST(:rows AS json)) AS k (
            merchant_id uuid, order_id text, customer_id uuid, at timestamptz,
            updated_at timestamptz, merchandise numeric, refunded numeric, test boolean,
            cancelled boolean, shopify_customer_id text
        )
        LEFT JOIN profiles p
            ON p.merchant_id = k.merchant_id AND p.customer_id = k.customer_id
        ORDER BY k.merchant_id, order_id COLLATE "C"
    ), learnt AS (
        INSERT INTO orders AS o (
            merchant_id, order_id, customer_id, at, updated_at, merchandise, refunded, test,
            cancelled
        )
        SELECT merchant_id, order_id, customer_id, at, updated_at, merchandise, refunded, test,
            cancelled
        FROM told
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
            old.spend AS old_spend, old.at AS old_at,
            coalesce(new.counts AND old.counts AND new.customer_id = old.customer_id, false)
                AS stays
    ), moves AS (
        SELECT merchant_id, learnt.customer_id, order_id, shopify_customer_id, 1 AS orders,
            spend AS spent, learnt.at AS first_at, learnt.at AS last_at, false AS redated
        FROM learnt JOIN told USING (merchant_id, order_id) WHERE counts AND NOT stays
        UNION ALL
        SELECT merchant_id, old_customer_id, order_id, '', -1, -old_spend, NULL, NULL, true
        FROM learnt WHERE old_counts AND NOT stays
        UNION ALL
        SELECT merchant_id, customer_id, order_id, '', 0, spend - old_spend, NULL, NULL,
            at <> old_at
        FROM learnt WHERE stays AND (spend <> old_spend OR at <> old_at)
    ), growths AS (
        SELECT merchant_id, customer_id, max(shopify_customer_id) AS shopify_customer_id,
            sum(orders) AS orders, sum(spent) AS spent, min(first_at) AS first_at,
            max(last_at) AS last_at, bool_or(redated) AS redated,
            max(order_id COLLATE "C") AS order_id
        FROM moves GROUP BY merchant_id, customer_id
    ), grown AS (
        INSERT INTO profiles AS p (
            merchant_id, customer_id, shopify_customer_id, orders, spent, first_order_at,
            last_order_at
        )
        SELECT merchant_id, customer_id, shopify_customer_id, orders, spent, first_at, last_at
        FROM growths ORDER BY merchant_id, customer_id
        ON CONFLICT (merchant_id, customer_id) DO UPDATE SET
            orders = p.orders + excluded.orders, spent = p.spent + excluded.spent,
            first_order_at = least(p.first_order_at, excluded.first_order_at),
            last_order_at = greatest(p.last_order_at, excluded.last_order_at)
        RETURNING merchant_id, customer_id, new.shopify_customer_id, new.orders, new.spent,
            new.first_order_at, new.last_order_at, old.orders AS old_orders,
            old.spent AS old_spent, old.first_order_at AS old_first_order_at,
            old.last_order_at AS old_last_order_at, new.merged_into
    )
    SELECT grown.*, growths.order_id, growths.redated
    FROM grown JOIN growths USING (merchant_id, customer_id)
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


class PostgresBuyers:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def learn(self, purchases: Purchases) -> Mapping[MemberKey, Bought]:
        refunded = await self._learn_refunds(purchases)
        return await self._learn_orders(purchases, refunded)

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
    ) -> Mapping[MemberKey, Bought]:
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
                "shopify_customer_id": purchases.shopify_ids[
                    MemberKey(key.merchant_id, facts.customer_id)
                ],
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
        grown = rows
        if any(row.merged_into is not None for row in grown):
            # Whoever merged them was quicker to the profile; the next try finds the other one.
            raise Unavailable("A member was merged into another at the same moment.")
        dated = await self._date(row for row in grown if row.redated)
        bought = {}
        for row in grown:
            member = MemberKey(row.merchant_id, row.customer_id)
            bought[member] = Bought(
                before=_before(row),
                after=dated.get(member) or profile_in(row),
                shopify_customer_id=row.shopify_customer_id,
                cause=purchases.causes[OrderKey(row.merchant_id, row.order_id)],
            )
        return bought

    async def _date(self, redated: Iterable[Row]) -> Mapping[MemberKey, Profile]:
        """Find the first and the last order again where it may have become another one."""
        keys = [MemberKey(row.merchant_id, row.customer_id) for row in redated]
        if not keys:
            return {}
        rows = await self._connection.execute(_DATE, columns_of(keys))
        return {MemberKey(row.merchant_id, row.customer_id): profile_in(row) for row in rows}


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


def profile_in(row: Row) -> Profile:
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


def _before(row: Row) -> Profile:
    if row.old_orders is None:
        return NOBODY
    return Profile(row.old_orders, row.old_spent, row.old_first_order_at, row.old_last_order_at)
