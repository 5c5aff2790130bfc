"""The roles of shops and who has them, as the roles service keeps both."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class RoleRow:
    """A role of a shop. ``permissions`` is sorted, and None for a built-in role: what that may do
    is a rule of the product (``domain.rbac.DEFAULT_ROLES``) and not the shop's to keep.
    ``inherits`` are the names of its parents, sorted."""

    merchant_id: UUID
    role_id: UUID
    name: str
    permissions: tuple[str, ...] | None
    inherits: tuple[str, ...]
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class AssignmentRow:
    """Which role one of a shop's staff has. ``subject`` is the subject of their tokens. ``role`` is
    empty for somebody whose role was taken away: remembered, so that their next log-in does not
    make them a viewer again."""

    merchant_id: UUID
    subject: str
    role: str
    updated_at: datetime


class RoleBook(Protocol):
    """Works inside one transaction."""

    async def begin_change(self, merchant_id: UUID) -> None:
        """Changes of one shop's roles and assignments come one after another: wait for the one
        that is being made, hold off others until the transaction ends, and count this one."""
        ...

    async def versions(self, merchant_ids: Iterable[UUID]) -> Mapping[UUID, int]:
        """How often the roles and assignments of each shop have changed; 0 for those it leaves
        out. What is read after it is at least as new as it says."""
        ...

    async def add(self, roles: Iterable[RoleRow]) -> Sequence[RoleRow]:
        """Keep new roles. One whose name its shop already has is left out of the answer and
        changes nothing."""
        ...

    async def of_shop(self, merchant_id: UUID) -> Sequence[RoleRow]:
        """All roles of the shop, by name."""
        ...

    async def change(self, role: RoleRow) -> None:
        """Store the permissions and the parents of a role."""
        ...

    async def remove(self, role: RoleRow) -> None: ...

    async def assignment(self, merchant_id: UUID, subject: str) -> AssignmentRow | None: ...

    async def assignments(
        self, merchant_id: UUID, after: str, most: int
    ) -> Sequence[AssignmentRow]:
        """Those who have a role in the shop and whose subject comes after ``after``, by subject."""
        ...

    async def holders(self, merchant_id: UUID, role: str, most: int) -> Sequence[str]:
        """Up to ``most`` subjects who have the role."""
        ...

    async def assign(self, assignment: AssignmentRow) -> None:
        """Store who has which role from now on."""
        ...
