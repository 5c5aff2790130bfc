"""When two stores hold the same, and which row is named when they do not."""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import pytest

from domain.points.chain import SEALED, digest
from domain.points.moving import (
    ENTRIES,
    LOTS,
    PROGRAMS,
    TABLES,
    WALLETS,
    Compared,
    Row,
    Table,
    compare,
    row_digest,
)

SHOP = UUID(int=7)


async def rows_of(rows: Sequence[Row]) -> AsyncIterator[Row]:
    for row in rows:
        yield row


async def compared(table: Table, source: Sequence[Row], target: Sequence[Row]) -> Compared:
    return await compare(SHOP, table, rows_of(source), rows_of(target))


def row(table: Table, **values: Any) -> dict[str, Any]:
    return dict.fromkeys(table.columns) | values


def wallet(number: int, **values: Any) -> dict[str, Any]:
    return row(WALLETS, customer_id=str(UUID(int=number)), spendable=10, pending=0) | values


async def test_the_same_rows_are_equal_and_added_up_on_each_side() -> None:
    found = await compared(WALLETS, [wallet(1), wallet(2, spendable=-3)], [wallet(1), wallet(2)])
    assert found.source.sums == {"spendable": 7, "pending": 0, "spent": 0, "expired": 0}
    assert found.target.sums["spendable"] == 20
    same = await compared(WALLETS, [wallet(1), wallet(2)], [wallet(1), wallet(2)])
    assert same.first is None
    assert (same.source.rows, same.source.digest) == (2, same.target.digest)
    assert found.source.digest != found.target.digest == same.target.digest


@pytest.mark.parametrize(
    ("source", "target", "named", "what"),
    [
        ([1, 2, 3], [1, 3], 2, "is missing where it is moved to"),
        ([1, 3], [1, 2, 3], 2, "is not where it is moved from"),
        ([1, 2], [], 1, "is missing where it is moved to"),
        ([], [4], 4, "is not where it is moved from"),
        ([1, 3, 5], [2, 3, 4], 1, "is missing where it is moved to"),
    ],
)
async def test_the_first_row_that_only_one_has_is_named(
    source: list[int], target: list[int], named: int, what: str
) -> None:
    found = await compared(WALLETS, [*map(wallet, source)], [*map(wallet, target)])
    assert found.first is not None
    assert found.first.row == str(UUID(int=named))
    assert found.first.what == what
    assert (found.source.rows, found.target.rows) == (len(source), len(target))


async def test_a_row_that_is_another_is_named_by_its_columns_and_not_by_what_is_in_them() -> None:
    other = wallet(2, spendable=99, expired=5)
    found = await compared(WALLETS, [wallet(1), wallet(2)], [wallet(1), other])
    assert str(found.first) == f"wallets {UUID(int=2)}: has another spendable, expired"


async def test_a_table_without_a_key_has_one_row() -> None:
    found = await compared(PROGRAMS, [row(PROGRAMS, version=1)], [row(PROGRAMS, version=2)])
    assert str(found.first) == "programs the only one: has another version"


def test_an_entry_is_told_apart_by_what_its_block_is_made_of() -> None:
    entry = row(ENTRIES, customer_id="c", entry_id="e", points=5)
    values = [{"merchant_id": str(SHOP), **entry}[name] for name in SEALED]
    assert row_digest(SHOP, ENTRIES, entry) == digest(values)
    assert {"merchant_id", *ENTRIES.columns} == set(SEALED)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_column_counts(table: Table) -> None:
    one = row(table, **dict.fromkeys(table.key, "k"))
    digests = {row_digest(SHOP, table, {**one, name: 5}) for name in table.columns}
    assert len(digests | {row_digest(SHOP, table, one)}) == len(table.columns) + 1
    assert {*table.sums} <= {*table.rest}


async def test_two_keys_order_rows_by_the_first() -> None:
    lots = [
        row(LOTS, customer_id=one, lot_id=two, remaining=1)
        for one, two in (("a", "z"), ("b", "c"), ("b", "d"))
    ]
    found = await compared(LOTS, lots, [lots[0], lots[2]])
    assert found.first is not None
    assert found.first.row == "b c"
