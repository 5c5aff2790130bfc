"""Working out by what people are found: for those whom the shop told us of, and all that were here
before there was a search by name.

The shops' own news is stored as it comes, without being opened. So whoever is new or has changed
is looked at soon after. What was not done stays marked in its row, and is done after a crash.
"""

import logging
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from domain.errors import NotFound
from domain.keys import KeysShut
from ports.names import Named, Names
from ports.people import Person, PersonKey
from ports.sealing import CannotOpen
from ports.unit import Units
from services.users.envelope import Envelope, Envelopes

log = logging.getLogger(__name__)

_AT_ONCE: Final = 200
"""About 10 ms of work, for which nothing else runs in the process."""


async def name_people(units: Units[Names], envelopes: Envelopes) -> None:
    """Make everybody findable who is not yet, but for shops whose keys nobody can open now. Raises
    Unavailable when auth does not answer."""
    after: PersonKey | None = None
    while True:
        async with units() as unit:
            people = await unit.stores.unnamed(after, _AT_ONCE)
        if not people:
            return
        after = people[-1].key
        named: list[Named] = []
        for merchant_id, group in groupby(people, key=lambda person: person.key.merchant_id):
            of_shop = list(group)
            try:
                envelope = await envelopes.of(merchant_id, of_shop)
            except NotFound:
                envelope = None  # nobody has a key to look for them either
            except KeysShut:
                after = max(after, of_shop[0].key.last_of_shop)
                continue
            named += (_named(person, envelope) for person in of_shop)
        async with units() as unit:
            await unit.stores.name(named)
        if len(people) < _AT_ONCE:
            return


def _named(person: Person, envelope: Envelope | None) -> Named:
    name_index: Sequence[int] = ()
    if envelope is not None:
        try:
            name_index = envelope.name_index(envelope.open(person).contact)
        except CannotOpen:
            log.error("user %s cannot be opened with the key of the shop", person.key.user_id)  # noqa: TRY400 - the trace says no more
    return Named(person.key, person.sealed_contact, name_index)
