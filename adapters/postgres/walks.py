"""``ports.walks.Walks`` on PostgreSQL: a cursor per shop that goes through its members."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import ClassVar, Final
from uuid import UUID

from adapters.postgres.connection import Connection, Statement, text
from ports.purchases import MemberKey

_BEGIN: Final = text(
    """
    INSERT INTO walks (merchant_id, after)
    SELECT merchant_id, CAST(:start AS uuid) FROM unnest(CAST(:merchants AS uuid[])) AS merchant_id
    ON CONFLICT (merchant_id) DO UPDATE SET after = excluded.after
    """
)
_TAKE: Final = text("SELECT merchant_id, after FROM walks LIMIT 1 FOR UPDATE SKIP LOCKED")
_ADVANCE: Final = text("UPDATE walks SET after = :after WHERE merchant_id = :merchant_id")
_END: Final = text("DELETE FROM walks WHERE merchant_id = :merchant_id")
_START: Final = UUID(int=0)


class PostgresWalks:
    walked: ClassVar = "profiles"
    """The table with a row for each member, by merchant and customer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def begin_walks(self, merchants: Iterable[UUID]) -> None:
        if ordered := sorted(merchants):
            await self._connection.execute(_BEGIN, {"merchants": ordered, "start": _START})

    async def next_members(self, limit: int) -> Sequence[MemberKey]:
        while walk := (await self._connection.execute(_TAKE)).one_or_none():
            found = await self._connection.execute(
                _next(self.walked),
                {"merchant_id": walk.merchant_id, "after": walk.after, "most": limit},
            )
            members = [MemberKey(walk.merchant_id, each) for each in found.scalars()]
            if members:
                await self._connection.execute(
                    _ADVANCE, {"merchant_id": walk.merchant_id, "after": members[-1].customer_id}
                )
                return members
            await self._connection.execute(_END, {"merchant_id": walk.merchant_id})
        return ()


@cache
def _next(table: str) -> Statement:
    return text(
        f"""
        SELECT customer_id FROM {table}
        WHERE merchant_id = :merchant_id AND customer_id > CAST(:after AS uuid)
        ORDER BY customer_id LIMIT :most
        """
    )
