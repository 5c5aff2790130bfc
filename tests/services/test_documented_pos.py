"""Every example of docs/pos.md, run."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from domain.points.pos import Rejection, TillRule, happened
from tests.services.test_pos import REFUNDED, Shop, back, from_shopify, outcomes, sale

PAGE = Path(__file__).parents[2] / "docs" / "pos.md"


def table(*head: str) -> list[list[str]]:
    """The rows of the table with these headings."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    begin = next(
        n for n, line in enumerate(lines) if line.split() == f"| {' | '.join(head)} |".split()
    )
    rows = lines[begin + 2 :]
    end = next(n for n, line in enumerate([*rows, ""]) if not line.startswith("|"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in rows[:end]]


async def tell(shop: Shop, what: str) -> None:
    told, _, amount = what.removesuffix(" again").partition(" of ")
    match told:
        case "sale":
            await shop.sync(sale())
        case "sale by another till":
            await shop.sync(sale("other"), till="t2")
        case "refund":
            await shop.sync(back(merchandise=Decimal(amount)))
        case "Shopify's order":
            await shop.hear(from_shopify(subtotal=Decimal(amount or 50)))
        case "Shopify's refund":
            await shop.hear(msgspec.structs.replace(REFUNDED, merchandise=Decimal(amount)))
        case _:
            raise AssertionError(f"the page says {what!r}, which is not understood here")


@pytest.mark.parametrize(("told", "points"), table("told, one after the other", "points"))
async def test_who_tells_what(told: str, points: str) -> None:
    shop = await Shop().opens()
    for what in told.split(", "):
        await tell(shop, what)
    assert await shop.points() == int(points)


@pytest.mark.parametrize("row", table("most_points", "1 per unit", "the line", "points"))
async def test_what_a_till_is_trusted_with(row: list[str]) -> None:
    most, told, outcome, points = row
    shop = await Shop().opens()
    await shop.runs(tills=TillRule(int(most)))
    sold, _, then = told.partition(", ")
    line = sale(merchandise=Decimal(sold.removeprefix("sale of ")))
    assert outcomes(await shop.sync(line)) == [outcome]
    if then:
        await tell(shop, then)
    assert await shop.points() == int(points)


@pytest.mark.parametrize(
    "row", table("the till says it was", "and now it is", "our clock", "so it was")
)
def test_a_clock(row: list[str]) -> None:
    said, sent, now, was = (
        datetime.fromisoformat(f"2026-06-01T{each}").replace(tzinfo=UTC) for each in row
    )
    assert happened(said, sent, now) == was


def test_every_reason_is_on_the_page() -> None:
    assert {reason.strip("`") for reason, _ in table("reason", "")} == set(Rejection)
