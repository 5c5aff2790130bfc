"""Every example of docs/ledger.md, run."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from domain.money import Money
from domain.points import chain
from domain.points.bonus import Bonus
from domain.points.earning import purchase_points
from domain.points.ledger import EntryDraft, EntryKind, Source
from domain.points.liability import deferral, expected_rate, liability
from domain.points.reversal import reversal
from domain.points.statement import in_words
from domain.program import defaults
from tests.domain.shop import net, order
from tests.domain.test_reversal import Told

PAGE = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text(encoding="utf-8")
GIFT = EntryDraft(EntryKind.ADJUST, 30, "sorry", Source.ADJUST, "k1", "")
BACK = EntryDraft(EntryKind.REFUND, -40, "refund", Source.REFUND, "r1", "purchase", order_id="1001")


def table(*heads: str) -> list[list[str]]:
    """The rows under these heads."""
    lines = iter(PAGE.splitlines())
    wanted = f"| {' | '.join(heads)} |"
    assert wanted in PAGE
    while next(lines) != wanted:
        pass
    next(lines)
    rows = []
    while (line := next(lines, "")).startswith("|"):
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def code(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


def earned(*told: str) -> tuple[EntryDraft, str]:
    """What such an order earned, and its currency."""
    spend, *terms = told
    amount, currency = spend.split()
    program = defaults(currency)
    bonuses: tuple[Bonus, ...] = ()
    pending = False
    for term in terms:
        match term.split():
            case ["rate", rate]:
                purchase = replace(program.purchase, points_per_unit=Decimal(rate))
                program = replace(program, purchase=purchase)
            case ["fixed", fixed]:
                purchase = replace(program.purchase, fixed_points=int(fixed))
                program = replace(program, purchase=purchase)
            case ["waiting"]:
                pending = True
            case [tier, factor]:
                bonuses = (Bonus(f"tier:{tier}", Decimal(factor)),)
            case _:
                raise AssertionError(f"the page says {term!r}, which is not understood here")
    facts = order(Decimal(amount), currency=currency, financial_status="paid")
    points, terms_kept = purchase_points(program, facts)
    draft = EntryDraft(
        EntryKind.EARN, points, "purchase", Source.ORDER, "1001", "purchase", order_id="1001",
        pending=pending, snapshot=terms_kept._replace(bonuses=bonuses),
    )  # fmt: skip
    return draft, currency


def entry(told: str) -> tuple[EntryDraft, str]:
    match told.split(", "):
        case ["order 1001", *more]:
            return earned(*more)
        case ["refund of order 1001"]:
            return BACK, "USD"
        case ["refund of order 1001", waived]:
            return BACK._replace(waived=int(waived.split()[0])), "USD"
        case ["cancellation of order 1001"]:
            return BACK._replace(source=Source.CANCEL), "USD"
        case [activity] if activity.startswith("activity "):
            rule = activity.removeprefix("activity ")
            return EntryDraft(EntryKind.EARN, 100, rule, Source.ACTIVITY, "a1", rule), ""
        case ["gift by hand"]:
            return GIFT, ""
        case ["reversal of a gift by hand"]:
            return reversal(UUID(int=1), GIFT, "a mistake"), ""
    raise AssertionError(f"the page says {told!r}, which is not understood here")


@pytest.mark.parametrize(("told", "words"), table("entry", "words"))
def test_the_words_of_a_line(told: str, words: str) -> None:
    assert in_words(*entry(told)) == words


@pytest.mark.parametrize(
    ("amount", "then", "left"), table("order earned", "then", "the member has")
)
def test_what_is_undone_stays_undone(amount: str, then: str, left: str) -> None:
    told = Told(int(amount))
    sources = {"order": Source.ORDER, "refund": Source.REFUND, "edit": Source.EDIT}
    for step in then.split(", "):
        match step.split():
            case ["undo", "the", what]:
                told.undo(sources[what])
            case ["refund", money]:
                told.refund(int(money))
            case ["edit", *_, money]:
                told.edit(int(money))
            case ["cancel"]:
                told.cancel()
            case _:
                raise AssertionError(f"the page says {step!r}, which is not understood here")
    assert net(told.ledger) == int(left)


def test_anybody_can_compute_a_digest() -> None:
    names: dict[str, Callable[[str], str]] = {}
    exec(code("python"), names)
    line = code("json").strip()
    told = json.loads(line)
    assert names["digest"](line) == told["digest"]
    assert chain.digest([told[name] for name in chain.SEALED]).hex() == told["digest"]
    assert names["digest"](line.replace("sorry", "Sorry")) != told["digest"]


@pytest.mark.parametrize(
    ("points", "value", "spent", "expired", "said", "share", "expected", "breakage"),
    table("points", "value", "spent", "expired", "said", "share", "liability", "breakage"),
)
def test_a_liability(
    points: str, value: str, spent: str, expired: str, said: str, share: str, expected: str,
    breakage: str,
) -> None:  # fmt: skip
    rate = expected_rate(Decimal(said) if said else None, int(spent), int(expired)).share
    assert rate == Decimal(share)
    found = liability(int(points), Money(Decimal(value), "USD"), rate)
    assert found.expected.amount == Decimal(expected)
    assert found.breakage.amount == Decimal(breakage)


@pytest.mark.parametrize(
    ("sale", "points", "value", "share", "worth", "deferred", "now"),
    table("sale", "points", "value", "share", "worth", "deferred", "revenue now"),
)
def test_a_deferral(
    sale: str, points: str, value: str, share: str, worth: str, deferred: str, now: str
) -> None:
    usd = [Money(Decimal(each), "USD") for each in (sale, value, worth, deferred, now)]
    found = deferral(usd[0], int(points), usd[1], Decimal(share))
    assert [found.worth, found.deferred, found.recognised] == usd[2:]


def test_the_page_has_examples() -> None:
    assert len(table("entry", "words")) == 10
    assert len(table("order earned", "then", "the member has")) == 7
