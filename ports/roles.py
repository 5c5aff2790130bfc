"""The roles of shops, as the roles service keeps them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class RoleRow:
    """A role of a shop. ``permissions`` is sorted, and None for a built-in role: what that may do
    is a rule of the product (``domain.rbac.DEFAULT_ROLES``) and not the shop's to keep."""

    merchant_id: UUID
    role_id: UUID
    name: str
    permissions: tuple[str, ...] | None
    updated_at: datetime


class RoleBook(Protocol):
    """Works inside one transaction."""

    async def add(self, roles: Iterable[RoleRow]) -> Sequence[RoleRow]:
        """Keep new roles. One whose name its shop already has is left out of the answer and
        changes nothing."""
        ...

    async def find(self, merchant_id: UUID, name: str) -> RoleRow | None: ...

    async def lock(self, merchant_id: UUID, name: str) -> RoleRow | None:
        """The same, held until the transaction ends."""
        ...

    async def of_shop(self, merchant_id: UUID) -> Sequence[RoleRow]:
        """All roles of the shop, by name."""
        ...

    async def change(self, role: RoleRow) -> None:
        """Store the permissions of a role that was locked before."""
        ...
