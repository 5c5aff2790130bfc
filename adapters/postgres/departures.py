"""``ports.departures.Departures`` on PostgreSQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from adapters.postgres.connection import Row, text
from adapters.postgres.people import PostgresPeople, person_in, values_of
from adapters.postgres.rows import as_rows
from domain.merging import stands_for
from ports.departures import Merge, Merged
from ports.people import Person, PersonKey

_ERASED: Final = """
    email_index = '', sealed_contact = '', sealed_birthday = '', language = '', name_index = '{}',
    contact_of = NULL, birthday_of = NULL, birthday_days = NULL,
    email_verified = false, pool_id = NULL, link_as_of = 0
"""
_FORGET: Final = text(
    f"""
    INSERT INTO users AS u (
        merchant_id, user_id, kind, shopify_customer_id, email_index, sealed_contact,
        sealed_birthday, language, role, from_order, created_at, updated_at, name_index, gone_at
    )
    SELECT merchant_id, user_id, 'customer', shopify_customer_id, '', '', '', '', '', false, at, at,
        CAST('{{}}' AS integer[]), at
    FROM json_to_recordset(CAST(:rows AS json)) AS k (
        merchant_id uuid, user_id uuid, shopify_customer_id text, at timestamptz
    )
    ORDER BY merchant_id, user_id
    ON CONFLICT (merchant_id, user_id) DO UPDATE SET {_ERASED}, gone_at = excluded.gone_at
    WHERE u.gone_at IS NULL
    RETURNING u.merchant_id, u.user_id
    """
)
_HOLD_MERGES: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_MERGED_INTO: Final = text(
    """
    SELECT user_id, merged_into FROM users
    WHERE merchant_id = :merchant_id AND user_id = ANY(CAST(:ids AS uuid[]))
        AND merged_into IS NOT NULL
    """
)
# One never heard of is put down as gone, so that nothing heard later brings them in.
_REMEMBER: Final = text(
    """
    INSERT INTO users (
        merchant_id, user_id, kind, shopify_customer_id, email_index, sealed_contact,
        sealed_birthday, language, role, from_order, created_at, updated_at, name_index, gone_at
    )
    VALUES (
        :merchant_id, :user_id, 'customer', :shopify_customer_id, '', '', '', '', '', false, :at,
        :at, '{}', :at
    )
    ON CONFLICT (merchant_id, user_id) DO NOTHING
    """
)
_HOLD_GROUP: Final = text(
    """
    SELECT * FROM users
    WHERE merchant_id = :merchant_id
        AND (user_id = ANY(CAST(:ids AS uuid[])) OR merged_into = :merged_id)
    ORDER BY user_id FOR UPDATE
    """
)
_MERGE: Final = text(
    f"""
    UPDATE users SET {_ERASED}, gone_at = coalesce(gone_at, :at), merged_into = :kept_id
    WHERE merchant_id = :merchant_id AND user_id = ANY(CAST(:merged_ids AS uuid[]))
    """
)
_KEEP: Final = text(
    """
    UPDATE users SET gone_at = NULL, merged_into = NULL, link_as_of = 0
    WHERE merchant_id = :merchant_id AND user_id = :kept_id AND merged_into IS NOT NULL
    """
)
_COMPLETE: Final = text(
    """
    UPDATE users SET email_index = :email_index, sealed_contact = :sealed_contact,
        sealed_birthday = :sealed_birthday, language = :language,
        name_index = CAST(:name_index AS integer[]), contact_of = :contact_of,
        birthday_of = :birthday_of, birthday_days = CAST(:birthday_days AS smallint),
        email_verified = :email_verified, link_as_of = 0
    WHERE merchant_id = :merchant_id AND user_id = :user_id
    """
)
_VERSION: Final = text("SELECT nextval('merge_versions')")


class PostgresDepartures(PostgresPeople):
    async def forget(self, customers: Mapping[PersonKey, str], at: datetime) -> Sequence[PersonKey]:
        if not customers:
            return ()
        rows = as_rows(
            key._asdict() | {"shopify_customer_id": shopify_id, "at": at}
            for key, shopify_id in customers.items()
        )
        gone = await self._connection.execute(_FORGET, {"rows": rows})
        return [PersonKey(row.merchant_id, row.user_id) for row in gone]

    async def begin_merge(self, merchant_id: UUID) -> None:
        await self._connection.execute(_HOLD_MERGES, {"name": f"merges/{merchant_id}"})

    async def merge(self, merge: Merge, at: datetime) -> Merged | None:
        await self.begin_merge(merge.merchant_id)
        shop = {"merchant_id": merge.merchant_id}
        both = {merge.kept_id, merge.merged_id}
        rows = await self._connection.execute(_MERGED_INTO, shop | {"ids": list(both)})
        stand_in = {row.user_id: row.merged_into for row in rows}
        merged_now = stand_in.get(merge.merged_id, merge.merged_id)
        kept_id = stands_for(
            kept=merge.kept_id,
            merged=merge.merged_id,
            kept_now=stand_in.get(merge.kept_id, merge.kept_id),
            merged_now=merged_now,
        )
        if kept_id is None:
            return None
        await self._connection.execute(
            _REMEMBER,
            shop
            | {
                "user_id": merge.merged_id,
                "shopify_customer_id": merge.merged_shopify_id,
                "at": at,
            },
        )
        rows = await self._connection.execute(
            _HOLD_GROUP, shop | {"ids": [kept_id, merged_now], "merged_id": merged_now}
        )
        group = {row.user_id: row for row in rows}
        merged_ids = [each for each in group if each != kept_id]
        await self._connection.execute(
            _MERGE, shop | {"merged_ids": merged_ids, "kept_id": kept_id, "at": at}
        )
        await self._connection.execute(_KEEP, shop | {"kept_id": kept_id})
        completed = None
        if kept_id in group:
            completed = await self._complete(group[kept_id], person_in(group[merged_now]))
        version = (await self._connection.execute(_VERSION)).scalar_one()
        return Merged(kept_id, merged_ids, version, completed)

    async def _complete(self, row: Row, other: Person) -> Person | None:
        """Give the person of ``row`` what they lack; None where that is nothing, or they were
        deleted."""
        if row.gone_at is not None and row.merged_into is None:
            return None
        kept = person_in(row)
        completed = kept.completed_by(other)
        if completed == kept:
            return None
        await self._connection.execute(_COMPLETE, values_of(completed))
        return completed
