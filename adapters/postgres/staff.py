"""``ports.staff.StaffBook`` on PostgreSQL."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from adapters.postgres.connection import text
from adapters.postgres.people import PostgresPeople
from adapters.postgres.rows import as_rows
from ports.people import PersonKey
from ports.staff import SubjectKey

# Somebody may be met while they are linked: they are met by the role that they are given for it.
# Sorted, so that no two batches wait for each other in a circle.
_HOLD: Final = text(
    """
    SELECT pg_advisory_xact_lock(lock) FROM (
        SELECT DISTINCT hashtextextended('staff/' || merchant, 0) AS lock
        FROM unnest(CAST(:merchants AS text[])) AS k (merchant)
        ORDER BY lock
    ) AS locks
    """
)
_MEET: Final = text(
    """
    INSERT INTO users (
        merchant_id, user_id, kind, shopify_customer_id, email_index, sealed_contact,
        sealed_birthday, language, role, from_order, created_at, updated_at, name_index, subject
    )
    SELECT merchant_id, user_id, 'staff', '', '', '', '', '', '', false, at, at, '{}', subject
    FROM json_to_recordset(CAST(:rows AS json)) AS k (
        merchant_id uuid, user_id uuid, subject text, at timestamptz
    )
    ORDER BY merchant_id, user_id
    ON CONFLICT DO NOTHING
    RETURNING merchant_id, user_id
    """
)
_FORGET_NAMELESS: Final = text(
    """
    DELETE FROM users
    WHERE merchant_id = :merchant_id AND kind = 'staff' AND subject = :subject AND subject <> ''
        AND user_id <> :user_id AND sealed_contact = ''
    """
)
_LINK: Final = text(
    """
    UPDATE users SET subject = :subject, role = '', updated_at = :at
    WHERE merchant_id = :merchant_id AND user_id = :user_id AND kind = 'staff'
        AND NOT EXISTS (
            SELECT FROM users o
            WHERE o.merchant_id = :merchant_id AND o.subject = :subject AND o.subject <> ''
                AND o.user_id <> :user_id
        )
    """
)
_DISMISS: Final = text(
    "DELETE FROM users WHERE merchant_id = :merchant_id AND user_id = :user_id AND kind = 'staff'"
)


class PostgresStaff(PostgresPeople):
    async def meet(
        self, subjects: Mapping[SubjectKey, PersonKey], at: datetime
    ) -> Sequence[PersonKey]:
        if not subjects:
            return ()
        await self._hold({key.merchant_id for key in subjects})
        rows = as_rows(
            key._asdict() | {"subject": subject.subject, "at": at}
            for subject, key in subjects.items()
        )
        met = await self._connection.execute(_MEET, {"rows": rows})
        return [PersonKey(row.merchant_id, row.user_id) for row in met]

    async def link(self, key: PersonKey, subject: str, at: datetime) -> bool:
        await self._hold({key.merchant_id})
        values = key._asdict() | {"subject": subject}
        await self._connection.execute(_FORGET_NAMELESS, values)
        return (await self._connection.execute(_LINK, values | {"at": at})).rowcount == 1

    async def _hold(self, merchants: Iterable[UUID]) -> None:
        await self._connection.execute(_HOLD, {"merchants": [str(each) for each in merchants]})

    async def dismiss(self, key: PersonKey) -> bool:
        return (await self._connection.execute(_DISMISS, key._asdict())).rowcount == 1
