"""Rows come to PostgreSQL and back as they were; text it cannot hold is its row's fault alone."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import uuid4

import pytest

from adapters.postgres.connection import DatabaseError, text
from adapters.postgres.database import is_away
from adapters.postgres.rows import as_rows
from adapters.postgres.tenancy import ACROSS_SHOPS
from domain.plans import Plan
from tests.mesh.test_purchases import purchases_database

_READ = text(
    """
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS k (
        id uuid, amount numeric, at timestamptz, day date, words text, plan text, yes boolean,
        number bigint, missing text
    )
    """
)


async def test_every_kind_of_value_arrives_exactly(environment: dict[str, str]) -> None:
    berlin = timezone(timedelta(hours=2))
    rows = [
        {
            "id": uuid4(),
            "amount": Decimal(amount),
            "at": at,
            "day": date(2026, 2, 28),
            "words": 'a "quote", a \\ and :rows ::text 店 😀',
            "plan": Plan.FREE,
            "yes": amount != "0",
            "number": 2**62 + 1,
            "missing": None,
        }
        for amount, at in (
            ("0", datetime(1, 1, 1, tzinfo=UTC)),
            ("-0.10", datetime(2026, 3, 29, 1, 59, 59, 999999, tzinfo=berlin)),
            ("12345678901234567890.123456789", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        )
    ]
    async with (
        purchases_database(environment) as database,
        database.transaction(ACROSS_SHOPS) as connection,
    ):
        found = await connection.execute(_READ, {"rows": as_rows(rows)})
    assert [row._asdict() for row in found] == rows
    assert [str(row.amount) for row in found] == [str(row["amount"]) for row in rows]


async def test_text_that_cannot_be_stored_is_no_outage(environment: dict[str, str]) -> None:
    """Held as an outage its event would be tried for ever; refused, it becomes a dead letter."""
    async with purchases_database(environment) as database:
        with pytest.raises(DatabaseError) as refused:
            async with database.transaction(ACROSS_SHOPS) as connection:
                await connection.execute(_READ, {"rows": as_rows([{"words": "a\x00b"}])})
    assert not is_away(refused.value)
