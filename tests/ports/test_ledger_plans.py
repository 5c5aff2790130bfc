"""That what a batch asks of the ledger on PostgreSQL takes a look into an index, whatever there was
in the ledger when PostgreSQL counted last."""

from typing import Any, Final, NoReturn
from uuid import uuid4

from adapters.postgres.connection import text
from adapters.postgres.database import Database
from adapters.postgres.order_facts import _ENTRIES, _named
from adapters.postgres.tenancy import MIGRATION
from infra.embedded.servers import Servers
from ports.ledger import OrderKey

_ENTRIES_OF: Final = text(
    """
    INSERT INTO points_transactions (
        merchant_id, customer_id, entry_id, kind, points, pending, reason, source, source_ref,
        rule, line, order_id, waived, at
    )
    SELECT :shop, gen_random_uuid(), gen_random_uuid(), 'earn', 1, false, '', 'test', :order || n,
        '', '', CASE WHEN :order = '' THEN '' ELSE :order || n END, 0, now()
    FROM generate_series(1, 10000) AS n
    """
)


class _UndoneError(Exception):
    pass


def _undo() -> NoReturn:
    raise _UndoneError


async def test_the_entries_of_orders_are_looked_up_one_by_one(servers: Servers) -> None:
    """Counted when members had signed up, and none had ordered."""
    database = Database(servers.environment()["LOYALNEST_POSTGRES_URL"], "points")
    await database.make()
    await database.migrate()
    shop = uuid4()
    asked = _named([OrderKey(shop, "1"), OrderKey(shop, "2")])
    plan: list[Any] = []
    try:
        async with database.transaction(MIGRATION) as connection:
            await connection.execute(_ENTRIES_OF, {"shop": shop, "order": ""})
            await connection.execute(text("ANALYZE points_transactions"))
            await connection.execute(_ENTRIES_OF, {"shop": shop, "order": "o"})
            plan += (await connection.execute(text(f"EXPLAIN {_ENTRIES.text}"), asked)).scalars()
            _undo()
    except _UndoneError:
        await database.close()
    looked_up = "Index Cond: ((merchant_id = k.merchant_id) AND (order_id = k.id))"
    assert any(looked_up in line for line in plan), "\n".join(plan)
