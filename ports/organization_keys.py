"""The keys of organisations, with which members of their shops are compared."""

from typing import Protocol
from uuid import UUID


class Pools(Protocol):
    """The pools of one organisation."""

    def of(self, email: str) -> UUID | None:
        """The pool of whoever has this address, however it is spelled
        (``ports.sealing.normalised``); None for blanks."""
        ...


class OrganizationKeys(Protocol):
    async def pools(self, merchant_id: UUID, organization_id: UUID) -> Pools:
        """The pools of the organisation that this shop is in. Asks auth and the key service, so
        not from inside a transaction.

        Raises NotFound when the shop is not in it (any more), KeysShut when its key does not
        unwrap with the master keys here, and Unavailable when one of the two is away.
        """
        ...
