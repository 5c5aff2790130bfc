"""Every example of docs/simulator.md, run."""

from decimal import Decimal
from pathlib import Path

import pytest

from domain.points.simulation import PastOrder, Simulator
from tests.domain.shop import MEMBER, NOW, order, refund
from tests.domain.test_documented_earning import program_of

PAGE = Path(__file__).parents[2] / "docs" / "simulator.md"


def rows() -> list[tuple[str, str, str, int, int]]:
    """(orders, program in force, draft, what each keeps) of the table on the page."""
    found = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[-1].isdigit():
            orders, in_force, draft, now, then = cells
            found.append((orders, in_force, draft, int(now), int(then)))
    return found


@pytest.mark.parametrize(("orders", "in_force", "draft", "now", "then"), rows())
def test_an_example(orders: str, in_force: str, draft: str, now: int, then: int) -> None:
    past = []
    for number, told in enumerate(orders.split(", ")):
        amount, *fate = told.split()
        facts = order(
            amount, order_id=str(number), cancelled_at=NOW if "cancelled" in fate else None
        )
        refunds = (refund("r", Decimal(fate[1]), str(number)),) if "less" in fate else ()
        past.append(PastOrder(facts, refunds))
    for terms, kept in ((in_force, now), (draft, then)):
        simulator = Simulator(program_of(terms), {})
        simulator.add(MEMBER, past)
        assert simulator.found.kept == kept


def test_the_page_has_examples() -> None:
    assert len(rows()) == 4
