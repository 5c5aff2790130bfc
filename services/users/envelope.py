"""Opening and closing what is personal of a person, and making them findable while closed."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import msgspec

from contracts.contact import Contact
from contracts.users import User
from domain.birthdays import Birthday
from domain.names import name_parts
from ports.blind_search import BlindSearch
from ports.people import Person
from ports.sealing import BIRTHDAY, CONTACT, CannotOpen, MerchantKey, Sealer, ShopKeys

log = logging.getLogger(__name__)

_NOBODY: Final = Contact()
_encode_contact: Final = msgspec.json.Encoder().encode
_decode_contact: Final = msgspec.json.Decoder(Contact).decode


@dataclass(frozen=True, slots=True)
class Private:
    """What is personal, in the open."""

    contact: Contact = _NOBODY
    birthday: Birthday | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SealedPrivate:
    """The same, as it is stored."""

    email_index: str
    contact: str
    birthday: str
    name_index: Sequence[int]
    birthday_days: int | None


class Envelope:
    """Opens and closes for one shop."""

    def __init__(self, sealer: Sealer, search: BlindSearch, key: MerchantKey) -> None:
        self._sealer = sealer
        self._search = search
        self._key = key

    def index(self, email: str) -> str:
        return self._sealer.blind_index(self._key, email)

    def name_index(self, contact: Contact) -> Sequence[int]:
        """What finds this name later; nothing for no name."""
        parts = name_parts(contact.first_name, contact.last_name)
        return self._search.stored(self._key, parts)

    def sought(self, name: str) -> Sequence[int]:
        """What to look for to find a name like this one; nothing for nothing to go by."""
        return self._search.asked(self._key, name_parts(name))

    def days(self, month: int, day: int) -> int:
        """What those are found by whose birthday this may be."""
        return self._search.days(self._key, month, day)

    def close(self, private: Private, user_id: UUID) -> SealedPrivate:
        """Sealed about the person of this id."""
        contact, birthday = private.contact, private.birthday
        seal, key, about = self._sealer.seal, self._key, str(user_id)
        return SealedPrivate(
            email_index=self.index(contact.email),
            contact=""
            if contact == _NOBODY
            else seal(key, _encode_contact(contact), CONTACT, about),
            birthday="" if birthday is None else seal(key, str(birthday).encode(), BIRTHDAY, about),
            name_index=self.name_index(contact),
            birthday_days=None if birthday is None else self.days(birthday.month, birthday.day),
        )

    def open(self, person: Person) -> Private:
        """Raises CannotOpen for what was altered, or sealed about somebody else or with another
        key."""
        contact, birthday = _NOBODY, None
        if person.sealed_contact:
            plain = self._opened(person.sealed_contact, CONTACT, person.contact_about)
            contact = _decode_contact(plain)
        if person.sealed_birthday:
            plain = self._opened(person.sealed_birthday, BIRTHDAY, person.birthday_about)
            birthday = Birthday.parse(plain.decode())
        return Private(contact, birthday)

    def _opened(self, sealed: str, purpose: str, about: str) -> bytes:
        return self._sealer.open(self._key, sealed, purpose, about)

    def knows(self, person: Person) -> bool:
        """Whether it has the keys that the person was sealed with."""
        return self._key.knows(person.sealed_contact) and self._key.knows(person.sealed_birthday)

    def show(self, person: Person) -> User:
        """The person as somebody who may read them sees them. One who cannot be opened is shown
        without personal data, so that the others of a page can still be read."""
        try:
            private = self.open(person)
        except CannotOpen:
            log.error("user %s cannot be opened with the key of the shop", person.key.user_id)  # noqa: TRY400
            private = Private()
        return shown(person, private)


class Envelopes:
    """The envelope of each shop."""

    def __init__(self, keys: ShopKeys, sealer: Sealer, search: BlindSearch) -> None:
        self._keys = keys
        self._sealer = sealer
        self._search = search

    async def of(self, merchant_id: UUID, people: Iterable[Person] = ()) -> Envelope:
        """One that opens these people of the shop. Asks auth for keys that are not at hand: not
        from inside a transaction. Raises as ``ShopKeys.of`` does."""
        sealed = (text for each in people for text in (each.sealed_contact, each.sealed_birthday))
        return Envelope(self._sealer, self._search, await self._keys.of(merchant_id, sealed))


def shown(person: Person, private: Private) -> User:
    contact, birthday = private.contact, private.birthday
    return User(
        user_id=person.key.user_id,
        kind=person.kind,
        shopify_customer_id=person.shopify_customer_id,
        email=contact.email,
        phone=contact.phone,
        first_name=contact.first_name,
        last_name=contact.last_name,
        language=person.language,
        birthday=None if birthday is None else birthday.born,
        birth_month=None if birthday is None else birthday.month,
        birth_day=None if birthday is None else birthday.day,
        role=person.role,
        subject=person.subject,
        created_at=person.created_at,
        updated_at=person.updated_at,
    )
