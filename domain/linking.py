"""Which members of an organisation's shops are one person: those with one verified e-mail address.

Whoever is known by an address belongs to its pool. The address has to be verified: anybody can
type somebody else's at a checkout, and would spend their points. In each shop one member is in a
pool at most, so that it is never a question which of two accounts there a balance is shown to.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from uuid import UUID, uuid5


def pool_of(organization_id: UUID, email_index: str) -> UUID:
    """The pool of whoever has this address, by the organisation's blind index of it; name-based
    (RFC 9562, version 5), so that each shop's members arrive at it alone. Who lacks the
    organisation's key can tell from it neither the address nor whether it is a certain one's."""
    return uuid5(organization_id, f"member:{email_index}")


def linked(claims: Mapping[UUID, UUID | None]) -> dict[UUID, UUID | None]:
    """Of members of one shop, the pool that each is linked to, given the pool each belongs to. Of
    several in one pool it is the one with the smallest id: that does not depend on who came first,
    which two services may see differently."""
    first: dict[UUID, UUID] = {}
    for member in sorted(claims):
        pool = claims[member]
        if pool is not None:
            first.setdefault(pool, member)
    return {
        member: pool if pool is not None and first[pool] == member else None
        for member, pool in claims.items()
    }


class Link(NamedTuple):
    """What a member is linked to, and the number of the last thing that was said of it."""

    pool_id: UUID | None = None
    version: int = 0


class Step(NamedTuple):
    """One thing to say of a member: in this pool now, or not any more."""

    pool_id: UUID
    joins: bool
    version: int


def steps(before: Link, pool_id: UUID | None) -> Iterable[Step]:
    """What to say of a member who is to be linked so; nothing where they are."""
    if before.pool_id == pool_id:
        return
    version = before.version
    if before.pool_id is not None:
        version += 1
        yield Step(before.pool_id, joins=False, version=version)
    if pool_id is not None:
        yield Step(pool_id, joins=True, version=version + 1)
