"""``ports.referrals.ReferralBook`` on PostgreSQL: a few statements for a whole batch of orders."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from adapters.postgres.connection import Row, text
from adapters.postgres.programs import PostgresPrograms
from adapters.postgres.rows import as_rows
from domain.points.orders import OrderFacts
from domain.referrals.states import from_stored, state_name, to_stored
from ports.referrals import AddressKey, AdvocateLink, MemberKey, Person, Tally, Tracked

# A claim alone, or any number of order batches: a shared lock costs a batch next to nothing, and
# a claim waits for the batches in hand only.
_ENTER_CLAIM: Final = text(
    "SELECT pg_advisory_xact_lock(hashtextextended(CAST(:merchant_id AS text), 1))"
)
_ENTER_ORDERS: Final = text(
    """
    SELECT pg_advisory_xact_lock_shared(lock) FROM (
        SELECT DISTINCT hashtextextended(merchant, 1) AS lock
        FROM unnest(CAST(:merchants AS text[])) AS merchant
        ORDER BY lock
    ) AS locks
    """
)
_KEEP_LINK: Final = text(
    """
    INSERT INTO referral_links AS l (merchant_id, customer_id, code, created_at, expires_at)
    VALUES (:merchant_id, :customer_id, :code, :created_at, :expires_at)
    ON CONFLICT (merchant_id, customer_id) DO UPDATE
        SET expires_at = greatest(l.expires_at, excluded.expires_at)
    RETURNING customer_id, code, created_at, expires_at
    """
)
_LINK_OF: Final = text(
    """
    SELECT customer_id, code, created_at, expires_at FROM referral_links
    WHERE merchant_id = :merchant_id AND customer_id = :customer_id
    """
)
_LINK: Final = text(
    """
    SELECT customer_id, code, created_at, expires_at FROM referral_links
    WHERE merchant_id = :merchant_id AND code = :code
    """
)
_PERSON: Final = text(
    """
    SELECT customer_id, email_index FROM addresses
    WHERE merchant_id = :merchant_id AND customer_id = CAST(:customer_id AS uuid)
    UNION
    SELECT customer_id, email_index FROM addresses
    WHERE merchant_id = :merchant_id AND email_index = :email_index
    """
)
_CLAIMS_OF: Final = text(
    """
    SELECT * FROM referrals
    WHERE merchant_id = :merchant_id AND friend_id = ANY(CAST(:customers AS uuid[]))
        AND state <> 'expired'
    UNION
    SELECT * FROM referrals
    WHERE merchant_id = :merchant_id AND friend_index = ANY(CAST(:indexes AS text[]))
        AND friend_index <> '' AND state <> 'expired'
    ORDER BY claimed_at, id
    """
)
_WAITING: Final = text(
    """
    SELECT r.* FROM referrals r
    JOIN unnest(CAST(:merchants AS uuid[]), CAST(:customers AS uuid[])) AS k (merchant_id, id)
        ON r.merchant_id = k.merchant_id AND r.friend_id = k.id
    WHERE r.state = 'claimed'
    UNION
    SELECT r.* FROM referrals r
    JOIN unnest(CAST(:address_merchants AS uuid[]), CAST(:indexes AS text[]))
        AS k (merchant_id, email_index)
        ON r.merchant_id = k.merchant_id AND r.friend_index = k.email_index
    WHERE r.state = 'claimed'
    ORDER BY claimed_at, id
    """
)
_OVERDUE: Final = text(
    """
    SELECT * FROM referrals WHERE state = 'claimed' AND expires_at <= :at
    ORDER BY expires_at LIMIT :most FOR UPDATE SKIP LOCKED
    """
)
_ADD: Final = text(
    """
    INSERT INTO referrals (
        merchant_id, id, state, advocate_id, code, created_at, expires_at, friend_id,
        friend_index, claimed_at
    ) VALUES (
        :merchant_id, :id, :state, :advocate_id, :code, :created_at, :expires_at, :friend_id,
        :friend_index, :claimed_at
    )
    """
)
_MOVE: Final = text(
    """
    UPDATE referrals r SET
        state = k.state, friend_id = coalesce(k.friend_id, r.friend_id), order_id = k.order_id,
        ordered_at = k.ordered_at, completed_at = k.completed_at, expired_at = k.expired_at,
        blocked_at = k.blocked_at, reason = k.reason
    FROM json_to_recordset(CAST(:rows AS json)) AS k (
        merchant_id uuid, id uuid, state text, friend_id uuid, order_id text,
        ordered_at timestamptz, completed_at timestamptz, expired_at timestamptz,
        blocked_at timestamptz, reason text
    )
    WHERE r.merchant_id = k.merchant_id AND r.id = k.id AND r.state = 'claimed'
    RETURNING r.id
    """
)
_HOLD: Final = text(
    """
    SELECT r.id FROM referrals r
    JOIN unnest(CAST(:merchants AS uuid[]), CAST(:ids AS uuid[])) AS k (merchant_id, id)
        USING (merchant_id, id)
    ORDER BY r.merchant_id, r.id FOR UPDATE OF r
    """
)
_REFERRAL: Final = text("SELECT * FROM referrals WHERE merchant_id = :merchant_id AND id = :id")
_TALLY: Final = text(
    """
    SELECT count(*) AS claimed, count(*) FILTER (WHERE state = 'completed') AS completed
    FROM referrals WHERE merchant_id = :merchant_id AND advocate_id = :customer_id
    """
)
_NEWEST: Final = text(
    """
    SELECT * FROM referrals WHERE merchant_id = :merchant_id AND advocate_id = :customer_id
        AND id < CAST(:before AS uuid)
    ORDER BY id DESC LIMIT :most
    """
)
_LAST: Final = UUID(int=2**128 - 1)
_FIRST_ORDERS: Final = text(
    """
    SELECT o.* FROM unnest(CAST(:merchants AS uuid[]), CAST(:customers AS uuid[]))
        AS k (merchant_id, customer_id)
    JOIN first_orders o USING (merchant_id, customer_id)
    """
)
# The rule of ``domain.points.orders.merge``, told to the database: most orders are of members who
# have their first ones behind them, and reading those only to leave them alone costs too much.
_LEARN_ORDERS: Final = text(
    """
    INSERT INTO first_orders AS o (
        merchant_id, customer_id, order_id, currency, financial_status, created_at, updated_at,
        merchandise, shipping, tax, paid_at, cancelled_at
    )
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS k (
        merchant_id uuid, customer_id uuid, order_id text, currency text, financial_status text,
        created_at timestamptz, updated_at timestamptz, merchandise numeric, shipping numeric,
        tax numeric, paid_at timestamptz, cancelled_at timestamptz
    )
    WHERE (
        SELECT coalesce(bool_or(f.order_id = k.order_id), false) OR :remembered > count(*) FILTER (
            WHERE f.cancelled_at IS NULL AND f.created_at <= k.created_at
        )
        FROM first_orders f
        WHERE f.merchant_id = k.merchant_id AND f.customer_id = k.customer_id
    )
    ON CONFLICT (merchant_id, customer_id, order_id) DO UPDATE SET
        currency = CASE WHEN excluded.updated_at > o.updated_at
            THEN excluded.currency ELSE o.currency END,
        financial_status = CASE WHEN excluded.updated_at > o.updated_at
            THEN excluded.financial_status ELSE o.financial_status END,
        merchandise = CASE WHEN excluded.updated_at > o.updated_at
            THEN excluded.merchandise ELSE o.merchandise END,
        shipping = CASE WHEN excluded.updated_at > o.updated_at
            THEN excluded.shipping ELSE o.shipping END,
        tax = CASE WHEN excluded.updated_at > o.updated_at THEN excluded.tax ELSE o.tax END,
        created_at = least(o.created_at, excluded.created_at),
        updated_at = greatest(o.updated_at, excluded.updated_at),
        paid_at = least(o.paid_at, excluded.paid_at),
        cancelled_at = least(o.cancelled_at, excluded.cancelled_at)
    WHERE excluded.updated_at > o.updated_at
        OR (excluded.paid_at IS NOT NULL AND o.paid_at IS NULL)
        OR (excluded.cancelled_at IS NOT NULL AND o.cancelled_at IS NULL)
    RETURNING merchant_id, customer_id
    """
)
_LEARN_ADDRESSES: Final = text(
    """
    INSERT INTO addresses (merchant_id, email_index, customer_id)
    SELECT * FROM json_to_recordset(CAST(:rows AS json))
        AS k (merchant_id uuid, email_index text, customer_id uuid)
    ON CONFLICT DO NOTHING
    """
)


class PostgresReferrals(PostgresPrograms):
    async def enter_claim(self, merchant_id: UUID) -> None:
        await self._connection.execute(_ENTER_CLAIM, {"merchant_id": str(merchant_id)})

    async def enter_orders(self, merchants: Iterable[UUID]) -> None:
        await self._connection.execute(_ENTER_ORDERS, {"merchants": [str(m) for m in merchants]})

    async def keep_link(self, merchant_id: UUID, link: AdvocateLink) -> AdvocateLink:
        rows = await self._connection.execute(
            _KEEP_LINK,
            {
                "merchant_id": merchant_id,
                "customer_id": link.customer_id,
                "code": link.code,
                "created_at": link.created_at,
                "expires_at": link.expires_at,
            },
        )
        return _link(rows.one())

    async def link_of(self, member: MemberKey) -> AdvocateLink | None:
        row = (await self._connection.execute(_LINK_OF, member._asdict())).one_or_none()
        return None if row is None else _link(row)

    async def link(self, merchant_id: UUID, code: str) -> AdvocateLink | None:
        rows = await self._connection.execute(_LINK, {"merchant_id": merchant_id, "code": code})
        row = rows.one_or_none()
        return None if row is None else _link(row)

    async def person(self, merchant_id: UUID, customer_id: UUID | None, email_index: str) -> Person:
        rows = (
            await self._connection.execute(
                _PERSON,
                {
                    "merchant_id": merchant_id,
                    "customer_id": customer_id,
                    "email_index": email_index,
                },
            )
        ).all()
        customers = {row.customer_id for row in rows}
        indexes = {row.email_index for row in rows}
        if customer_id is not None:
            customers.add(customer_id)
        if email_index:
            indexes.add(email_index)
        return Person(frozenset(customers), frozenset(indexes))

    async def claims_of(self, merchant_id: UUID, friend: Person) -> Sequence[Tracked]:
        rows = await self._connection.execute(
            _CLAIMS_OF,
            {
                "merchant_id": merchant_id,
                "customers": list(friend.customer_ids),
                "indexes": list(friend.email_indexes),
            },
        )
        return [_tracked(row) for row in rows]

    async def waiting(
        self, friends: Iterable[MemberKey], addresses: Iterable[AddressKey]
    ) -> Sequence[Tracked]:
        members, indexes = list(friends), list(addresses)
        rows = await self._connection.execute(
            _WAITING,
            {
                "merchants": [key.merchant_id for key in members],
                "customers": [key.customer_id for key in members],
                "address_merchants": [key.merchant_id for key in indexes],
                "indexes": [key.email_index for key in indexes],
            },
        )
        return [_tracked(row) for row in rows]

    async def overdue(self, at: datetime, limit: int) -> Sequence[Tracked]:
        rows = await self._connection.execute(_OVERDUE, {"at": at, "most": limit})
        return [_tracked(row) for row in rows]

    async def add(self, tracked: Tracked) -> None:
        await self._connection.execute(
            _ADD,
            to_stored(tracked.referral)
            | {
                "merchant_id": tracked.merchant_id,
                "state": state_name(tracked.referral),
                "friend_index": tracked.friend_index,
            },
        )

    async def move(self, moved: Sequence[Tracked]) -> set[UUID]:
        if not moved:
            return set()
        # An UPDATE locks in the order it finds the rows; held in one order first, no two batches
        # wait for each other.
        await self._connection.execute(
            _HOLD,
            {
                "merchants": [each.merchant_id for each in moved],
                "ids": [each.referral.id for each in moved],
            },
        )
        rows = await self._connection.execute(
            _MOVE,
            {
                "rows": as_rows(
                    to_stored(each.referral)
                    | {"merchant_id": each.merchant_id, "state": state_name(each.referral)}
                    for each in moved
                )
            },
        )
        return set(rows.scalars())

    async def referral(self, merchant_id: UUID, referral_id: UUID) -> Tracked | None:
        rows = await self._connection.execute(
            _REFERRAL, {"merchant_id": merchant_id, "id": referral_id}
        )
        row = rows.one_or_none()
        return None if row is None else _tracked(row)

    async def tally(self, advocate: MemberKey, before: UUID | None, limit: int) -> Tally:
        counts = (await self._connection.execute(_TALLY, advocate._asdict())).one()
        rows = await self._connection.execute(
            _NEWEST, advocate._asdict() | {"before": before or _LAST, "most": limit}
        )
        return Tally(counts.claimed, counts.completed, [_tracked(row) for row in rows])

    async def first_orders(
        self, members: Iterable[MemberKey]
    ) -> Mapping[MemberKey, Sequence[OrderFacts]]:
        keys = list(members)
        rows = await self._connection.execute(
            _FIRST_ORDERS,
            {
                "merchants": [key.merchant_id for key in keys],
                "customers": [key.customer_id for key in keys],
            },
        )
        found: dict[MemberKey, list[OrderFacts]] = defaultdict(list)
        for row in rows:
            found[MemberKey(row.merchant_id, row.customer_id)].append(_facts(row))
        return found

    async def learn_orders(
        self, orders: Mapping[MemberKey, Iterable[OrderFacts]], remembered: int
    ) -> set[MemberKey]:
        rows = sorted(
            ((key, facts) for key, several in orders.items() for facts in several),
            # In one order everywhere, so that no two batches deadlock. Bytes compare much faster.
            key=lambda row: (row[0].merchant_id.bytes, row[0].customer_id.bytes, row[1].order_id),
        )
        learnt = await self._connection.execute(
            _LEARN_ORDERS,
            {"rows": as_rows(_row(*each) for each in rows), "remembered": remembered},
        )
        return {MemberKey(merchant, customer) for merchant, customer in learnt}

    async def learn_addresses(self, owners: Iterable[tuple[AddressKey, UUID]]) -> None:
        pairs = sorted(owners)
        if not pairs:
            return
        rows = as_rows(
            {
                "merchant_id": key.merchant_id,
                "email_index": key.email_index,
                "customer_id": customer_id,
            }
            for key, customer_id in pairs
        )
        await self._connection.execute(_LEARN_ADDRESSES, {"rows": rows})


def _link(row: Row) -> AdvocateLink:
    return AdvocateLink(row.customer_id, row.code, row.created_at, row.expires_at)


def _tracked(row: Row) -> Tracked:
    return Tracked(row.merchant_id, from_stored(row.state, row._asdict()), row.friend_index)


def _row(member: MemberKey, facts: OrderFacts) -> dict[str, Any]:
    return {
        "merchant_id": member.merchant_id,
        "customer_id": member.customer_id,
        "order_id": facts.order_id,
        "currency": facts.currency,
        "financial_status": facts.financial_status,
        "created_at": facts.created_at,
        "updated_at": facts.updated_at,
        "merchandise": facts.merchandise,
        "shipping": facts.shipping,
        "tax": facts.tax,
        "paid_at": facts.paid_at,
        "cancelled_at": facts.cancelled_at,
    }


def _facts(row: Row) -> OrderFacts:
    return OrderFacts(
        order_id=row.order_id,
        customer_id=row.customer_id,
        currency=row.currency,
        financial_status=row.financial_status,
        created_at=row.created_at,
        updated_at=row.updated_at,
        merchandise=row.merchandise,
        shipping=row.shipping,
        tax=row.tax,
        paid_at=row.paid_at,
        cancelled_at=row.cancelled_at,
    )
