"""Every example of docs/earning.md, run."""

import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from domain.money import Rounding
from domain.points.bonus import Bonus, Buyer, Goods, OrderLine, Overlap
from domain.points.earning import purchase_points
from domain.program import ProgramSettings
from tests.domain.shop import USD, order

PAGE = Path(__file__).parents[2] / "docs" / "earning.md"


def rows() -> list[tuple[str, str, str, int]]:
    """(order, terms, member, points) of every table on the page."""
    found = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[-1].isdigit():
            bought, terms, *member = cells[:-1]
            found.append((bought, terms, member[0] if member else "", int(cells[-1])))
    return found


def program_of(terms: str) -> ProgramSettings:
    program = USD
    for term in (each.strip() for each in terms.split(",")):
        purchase = program.purchase
        match re.split(r" (?=\S+$)", term):
            case [rate, "unit"] if rate.endswith("per"):
                purchase = replace(purchase, points_per_unit=Decimal(rate.split()[0]))
            case ["rounding", how]:
                purchase = replace(purchase, rounding=Rounding(how))
            case ["minimum_spend", least]:
                purchase = replace(purchase, minimum_spend=Decimal(least))
            case ["excluded tag", tag]:
                purchase = replace(purchase, excluded=Goods(tags=(tag,)))
            case ["fixed_points", points]:
                purchase = replace(purchase, fixed_points=int(points))
            case ["overlap", how]:
                program = replace(program, overlap=Overlap(how))
            case ["excluded collection", collection]:
                purchase = replace(purchase, excluded=Goods(collections=(collection,)))
            case ["2 × on collection", collection]:
                bonus = Bonus("b", Decimal(2), Goods(collections=(collection,)))
                program = replace(program, bonuses=(bonus,))
            case ["2 × on tag", tag]:
                bonus = Bonus("b", Decimal(2), Goods(tags=(tag,)))
                program = replace(program, bonuses=(bonus,))
            case ["2 × from a spend of", least]:
                bonus = Bonus("b", Decimal(2), minimum_spend=Decimal(least))
                program = replace(program, bonuses=(bonus,))
            case _:
                raise AssertionError(f"the page says {term!r}, which is not understood here")
        program = replace(program, purchase=purchase)
    return program


@pytest.mark.parametrize(("bought", "terms", "member", "points"), rows())
def test_an_example(bought: str, terms: str, member: str, points: int) -> None:
    lines = []
    for part in bought.split(" + "):
        amount, _, rest = part.partition(" ")
        tag, _, collection = rest.partition(" of ")
        tags, collections = ((each,) if each else () for each in (tag, collection))
        lines.append(OrderLine(f"p-{tag}", Decimal(amount), tags, collections))
    merchandise = sum((line.amount for line in lines), Decimal(0))
    facts = order(merchandise, lines=tuple(lines))
    buyer = Buyer(tier=member.partition(" ")[0])
    assert purchase_points(program_of(terms), facts, buyer).points == points


def test_the_page_has_examples() -> None:
    assert len(rows()) == 11
