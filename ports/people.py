"""The people of shops, as users keeps them: sealed, found by id or by blind index."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

import msgspec


class PersonKey(NamedTuple):
    merchant_id: UUID
    user_id: UUID

    @property
    def last_of_shop(self) -> "PersonKey":
        """What nobody of the shop comes after."""
        return PersonKey(self.merchant_id, UUID(int=2**128 - 1))


class Sighting(msgspec.Struct, frozen=True):
    """A customer as one message of the shop shows them.

    ``from_order``: the message is an order, which shows who bought and not what the shop knows of
    them; ``created_at`` and ``updated_at`` are then the order's.
    ``email_verified``: Shopify vouches for the address.
    """

    key: PersonKey
    shopify_customer_id: str
    email_index: str
    sealed_contact: str
    language: str
    from_order: bool
    created_at: datetime
    updated_at: datetime
    email_verified: bool = False

    def outdoes(self, other: "Sighting") -> bool:
        """Whether this one is to be believed rather than ``other``.

        A record beats any order, and a newer record an older one; of two of the same moment the
        one with a verified address. Orders only fill what is unknown: one with a contact beats one
        without, and otherwise the earlier one stays. As this does not depend on which of the two
        came first, any order of arrival ends alike.
        """
        if self.from_order != other.from_order:
            return other.from_order
        if not self.from_order:
            mine = (self.updated_at, self.email_verified)
            return mine > (other.updated_at, other.email_verified)
        if bool(self.sealed_contact) != bool(other.sealed_contact):
            return bool(self.sealed_contact)
        return self.updated_at < other.updated_at


@dataclass(frozen=True, slots=True)
class Person:
    """A row of the book. ``sealed_contact`` and ``sealed_birthday`` are empty where nothing is
    known; ``subject`` is of staff who can log in, ``role`` what staff without one is invited to;
    ``name_index`` is ``BlindSearch.stored`` of the name, None
    while it was not worked out; ``birthday_days`` is ``BlindSearch.days`` of a customer's birthday.
    What was sealed is about the person, or about one who was merged into them: ``contact_of``,
    ``birthday_of``."""

    key: PersonKey
    kind: str
    shopify_customer_id: str
    email_index: str
    sealed_contact: str
    sealed_birthday: str
    language: str
    role: str
    created_at: datetime
    updated_at: datetime
    name_index: Sequence[int] | None = None
    contact_of: UUID | None = None
    birthday_of: UUID | None = None
    subject: str = ""
    birthday_days: int | None = None
    email_verified: bool = False

    @property
    def contact_about(self) -> str:
        return str(self.contact_of or self.key.user_id)

    @property
    def birthday_about(self) -> str:
        return str(self.birthday_of or self.key.user_id)

    def completed_by(self, other: "Person") -> "Person":
        """This one with what they lack and ``other`` has. A contact is taken as a whole, or there
        would be the name of one with the address of the other."""
        completed = replace(self, language=self.language or other.language)
        if other.sealed_contact and not self.sealed_contact:
            completed = replace(
                completed,
                email_index=other.email_index,
                sealed_contact=other.sealed_contact,
                name_index=other.name_index,
                email_verified=other.email_verified,
                contact_of=other.contact_of or other.key.user_id,
            )
        if other.sealed_birthday and not self.sealed_birthday:
            completed = replace(
                completed,
                sealed_birthday=other.sealed_birthday,
                birthday_of=other.birthday_of or other.key.user_id,
                birthday_days=other.birthday_days,
            )
        return completed


class Place(NamedTuple):
    """A place in the list of people, newest first: right after the person it names."""

    created_at: datetime
    user_id: UUID


class People(Protocol):
    """Works inside one transaction. Knows nothing of what is sealed.

    Who was deleted or merged into another is gone: nothing below finds them, and no sighting brings
    them back. Their ids stay.
    """

    async def learn(self, sightings: Iterable[Sighting]) -> Mapping[PersonKey, bool]:
        """Believe these sightings, at most one of each person, where they outdo what is known.
        Answers the people that changed: True for the new ones."""
        ...

    async def find(self, merchant_id: UUID, user_ids: Sequence[UUID]) -> Sequence[Person]:
        """Those of these people that the shop has, in no particular order."""
        ...

    async def page(
        self, merchant_id: UUID, kind: str, email_index: str, after: Place | None, limit: int
    ) -> Sequence[Person]:
        """People of one kind, newest first; with an index only those with that e-mail address."""
        ...

    async def lock(self, key: PersonKey) -> Person | None:
        """A person, held until the transaction ends."""
        ...

    async def email_taken(self, merchant_id: UUID, kind: str, email_index: str) -> bool:
        """Whether somebody of this kind has this address. Until the transaction ends nobody else
        gets an answer to the same question."""
        ...

    async def add(self, person: Person) -> bool:
        """Keep a new person. False when the id is known: then nothing has changed."""
        ...

    async def change(self, person: Person) -> None:
        """Store what has become of a person that was locked before. From then on only a newer
        record of the shop says otherwise."""
        ...
