"""``ports.people.People`` on PostgreSQL."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from adapters.postgres.connection import Connection, Row, text
from adapters.postgres.rows import as_rows
from ports.people import Person, PersonKey, Place, Sighting


def _outdoes(new: str) -> str:
    """``Sighting.outdoes`` of the row ``new`` over the stored one, ``u``."""
    return f"""
        CASE
            WHEN {new}.from_order <> u.from_order THEN u.from_order
            WHEN NOT {new}.from_order THEN
                ({new}.updated_at, {new}.email_verified) > (u.updated_at, u.email_verified)
            WHEN ({new}.sealed_contact = '') <> (u.sealed_contact = '') THEN u.sealed_contact = ''
            ELSE {new}.updated_at < u.updated_at
        END
    """


def _link_as_of(email_index: str, email_verified: str) -> str:
    """What becomes of ``link_as_of`` with this address, and whether it is verified."""
    return f"""
        link_as_of = CASE
            WHEN (u.email_index, u.email_verified) = ({email_index}, {email_verified})
            THEN u.link_as_of ELSE 0
        END
    """


# No name is known without a contact, and none is worked out here, where nothing can be opened.
_UNNAMED: Final = "CASE WHEN {} = '' THEN CAST('{{}}' AS integer[]) END"
# What would change nothing is left out before the insert: a conflict alone would lock and dirty the
# row. Asked again at the conflict, for somebody else may have come in between. Sorted, so that two
# batches never wait for each other in a circle.
_LEARN: Final = text(
    f"""
    INSERT INTO users AS u (
        merchant_id, user_id, kind, shopify_customer_id, email_index, sealed_contact,
        sealed_birthday, language, role, from_order, created_at, updated_at, name_index,
        email_verified
    )
    SELECT k.merchant_id, k.user_id, 'customer', k.shopify_customer_id, k.email_index,
        k.sealed_contact, '', k.language, '', k.from_order, k.created_at, k.updated_at,
        {_UNNAMED.format("k.sealed_contact")}, k.email_verified
    FROM json_to_recordset(CAST(:rows AS json)) AS k (
        merchant_id uuid, user_id uuid, shopify_customer_id text, email_index text,
        sealed_contact text, language text, from_order boolean, created_at timestamptz,
        updated_at timestamptz, email_verified boolean
    )
    LEFT JOIN users u ON u.merchant_id = k.merchant_id AND u.user_id = k.user_id
    WHERE u.user_id IS NULL OR (u.gone_at IS NULL AND {_outdoes("k")})
    ORDER BY k.merchant_id, k.user_id
    ON CONFLICT (merchant_id, user_id) DO UPDATE SET
        email_index = excluded.email_index, sealed_contact = excluded.sealed_contact,
        language = excluded.language, from_order = excluded.from_order,
        created_at = excluded.created_at, updated_at = excluded.updated_at,
        name_index = excluded.name_index, contact_of = NULL,
        {_link_as_of("excluded.email_index", "excluded.email_verified")},
        email_verified = excluded.email_verified
    WHERE u.gone_at IS NULL AND {_outdoes("excluded")}
    RETURNING u.merchant_id, u.user_id, u.xmax = 0 AS is_new
    """
)
# Most orders are of people of whom there is the shop's own record, and show nothing new of them. To
# be told so takes their keys; sending and reading all that an order shows takes twice as long.
_WITHOUT_RECORD: Final = text(
    """
    SELECT k.merchant_id, k.user_id
    FROM unnest(CAST(:merchants AS uuid[]), CAST(:ids AS uuid[])) AS k (merchant_id, user_id)
    WHERE NOT EXISTS (
        SELECT FROM users u
        WHERE u.merchant_id = k.merchant_id AND u.user_id = k.user_id AND NOT u.from_order
    )
    """
)
_FIND: Final = text(
    """
    SELECT * FROM users
    WHERE merchant_id = :merchant_id AND user_id = ANY(CAST(:ids AS uuid[])) AND gone_at IS NULL
    """
)
_LOCK: Final = text(
    """
    SELECT * FROM users
    WHERE merchant_id = :merchant_id AND user_id = :user_id AND gone_at IS NULL FOR UPDATE
    """
)
_OF_KIND: Final = (
    "SELECT * FROM users WHERE merchant_id = :merchant_id AND kind = :kind AND gone_at IS NULL"
)
_WITH_EMAIL: Final = " AND email_index = :email_index AND email_index <> ''"
_AFTER: Final = " AND (created_at, user_id) < (:created_at, :user_id)"
_PAGE_END: Final = " ORDER BY created_at DESC, user_id DESC LIMIT :most"
_HOLD_EMAIL: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_EMAIL_TAKEN: Final = text(
    """
    SELECT EXISTS (
        SELECT FROM users
        WHERE merchant_id = :merchant_id AND kind = :kind AND email_index = :email_index
            AND email_index <> ''
    )
    """
)
_ADD: Final = text(
    """
    INSERT INTO users (
        merchant_id, user_id, kind, shopify_customer_id, email_index, sealed_contact,
        sealed_birthday, language, role, from_order, created_at, updated_at, name_index,
        birthday_days
    )
    VALUES (
        :merchant_id, :user_id, :kind, :shopify_customer_id, :email_index, :sealed_contact,
        :sealed_birthday, :language, :role, false, :created_at, :updated_at,
        CAST(:name_index AS integer[]), CAST(:birthday_days AS smallint)
    )
    ON CONFLICT (merchant_id, user_id) DO NOTHING
    """
)
_CHANGE: Final = text(
    f"""
    UPDATE users u SET email_index = :email_index, sealed_contact = :sealed_contact,
        sealed_birthday = :sealed_birthday, language = :language, role = :role,
        from_order = false, updated_at = :updated_at, name_index = CAST(:name_index AS integer[]),
        contact_of = :contact_of, birthday_of = :birthday_of,
        birthday_days = CAST(:birthday_days AS smallint), email_verified = :email_verified,
        {_link_as_of("CAST(:email_index AS text)", "CAST(:email_verified AS boolean)")}
    WHERE merchant_id = :merchant_id AND user_id = :user_id
    """
)


class PostgresPeople:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def learn(self, sightings: Iterable[Sighting]) -> Mapping[PersonKey, bool]:
        seen = [
            {
                "merchant_id": each.key.merchant_id,
                "user_id": each.key.user_id,
                "shopify_customer_id": each.shopify_customer_id,
                "email_index": each.email_index,
                "sealed_contact": each.sealed_contact,
                "language": each.language,
                "from_order": each.from_order,
                "created_at": each.created_at,
                "updated_at": each.updated_at,
                "email_verified": each.email_verified,
            }
            for each in await self._without_record(sightings)
        ]
        if not seen:
            return {}
        rows = await self._connection.execute(_LEARN, {"rows": as_rows(seen)})
        return {PersonKey(row.merchant_id, row.user_id): row.is_new for row in rows}

    async def _without_record(self, sightings: Iterable[Sighting]) -> Sequence[Sighting]:
        """All but the orders of people of whom there is the shop's own record."""
        seen = list(sightings)
        buyers = [each.key for each in seen if each.from_order]
        if not buyers:
            return seen
        keys = {
            "merchants": [key.merchant_id for key in buyers],
            "ids": [key.user_id for key in buyers],
        }
        rows = await self._connection.execute(_WITHOUT_RECORD, keys)
        missing = {PersonKey(row.merchant_id, row.user_id) for row in rows}
        return [each for each in seen if not each.from_order or each.key in missing]

    async def find(self, merchant_id: UUID, user_ids: Sequence[UUID]) -> Sequence[Person]:
        rows = await self._connection.execute(
            _FIND, {"merchant_id": merchant_id, "ids": list(user_ids)}
        )
        return [person_in(row) for row in rows]

    async def page(
        self, merchant_id: UUID, kind: str, email_index: str, after: Place | None, limit: int
    ) -> Sequence[Person]:
        query = _OF_KIND
        values: dict[str, object] = {"merchant_id": merchant_id, "kind": kind, "most": limit}
        if email_index:
            query += _WITH_EMAIL
            values["email_index"] = email_index
        if after is not None:
            query += _AFTER
            values |= after._asdict()
        rows = await self._connection.execute(text(query + _PAGE_END), values)
        return [person_in(row) for row in rows]

    async def lock(self, key: PersonKey) -> Person | None:
        row = (await self._connection.execute(_LOCK, key._asdict())).one_or_none()
        return None if row is None else person_in(row)

    async def email_taken(self, merchant_id: UUID, kind: str, email_index: str) -> bool:
        # There may be no row to lock yet, so the name of the address is locked instead.
        name = f"{merchant_id}/{kind}/{email_index}"
        await self._connection.execute(_HOLD_EMAIL, {"name": name})
        found = await self._connection.execute(
            _EMAIL_TAKEN, {"merchant_id": merchant_id, "kind": kind, "email_index": email_index}
        )
        return bool(found.scalar_one())

    async def add(self, person: Person) -> bool:
        values = values_of(person) | {
            "kind": person.kind,
            "shopify_customer_id": person.shopify_customer_id,
            "created_at": person.created_at,
        }
        return (await self._connection.execute(_ADD, values)).rowcount == 1

    async def change(self, person: Person) -> None:
        await self._connection.execute(_CHANGE, values_of(person))


def values_of(person: Person) -> dict[str, object]:
    """What can change of a person, and the key."""
    return person.key._asdict() | {
        "email_index": person.email_index,
        "sealed_contact": person.sealed_contact,
        "sealed_birthday": person.sealed_birthday,
        "language": person.language,
        "role": person.role,
        "updated_at": person.updated_at,
        "name_index": None if person.name_index is None else list(person.name_index),
        "contact_of": person.contact_of,
        "birthday_of": person.birthday_of,
        "birthday_days": person.birthday_days,
        "email_verified": person.email_verified,
    }


def person_in(row: Row) -> Person:
    return Person(
        key=PersonKey(row.merchant_id, row.user_id),
        kind=row.kind,
        shopify_customer_id=row.shopify_customer_id,
        email_index=row.email_index,
        sealed_contact=row.sealed_contact,
        sealed_birthday=row.sealed_birthday,
        language=row.language,
        role=row.role,
        created_at=row.created_at,
        updated_at=row.updated_at,
        name_index=row.name_index,
        contact_of=row.contact_of,
        birthday_of=row.birthday_of,
        subject=row.subject,
        birthday_days=row.birthday_days,
        email_verified=row.email_verified,
    )
