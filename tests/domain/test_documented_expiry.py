"""Every example of docs/expiry.md, run."""

import re
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from domain.points.expiry import Expiry, ExpiryPolicy, due, life_of
from domain.points.ledger import EntryDraft, EntryKind
from domain.points.lot import FOREVER, Life, Lot, Share, still_out
from domain.points.lots import Lots, expiry_entry, is_activity

PAGE = Path(__file__).parents[2] / "docs" / "expiry.md"
OPENED = datetime(2026, 1, 1, tzinfo=UTC)


def rows(heading: str) -> list[list[str]]:
    """The rows of the table with this first column."""
    found = []
    inside = False
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            inside = False
        elif cells[0] == heading:
            inside = True
        elif inside and set(cells[0]) != {"-"}:
            found.append(cells)
    return found


def named(letter: str) -> UUID:
    return UUID(int=ord(letter))


def lots_of(told: str) -> Lots:
    shares = []
    for number, each in enumerate(told.split(", ")):
        found = re.fullmatch(r"(\w) (\d+)(?: until (.+?))?(?: of order (\d+))?", each)
        assert found, each
        name, points, until, order_id = found.groups()
        life = FOREVER
        if until:
            life = Life(datetime.strptime(f"{until} 2026", "%d %b %Y").replace(tzinfo=UTC))
        opened_at = OPENED + timedelta(hours=number)
        shares.append(
            Share(Lot(named(name), int(points), opened_at, life, order_id or ""), int(points))
        )
    return Lots(sum(share.points for share in shares), shares)


def shown(shares: Any, *, lives: bool = False) -> str:
    found = []
    for lot, points in shares:
        text = f"{chr(lot.lot_id.int)} {points}"
        if lives and lot.life.expires_at:
            text += f" until {lot.life.expires_at:%-d %b}"
        found.append(text)
    return ", ".join(found)


def draft(points: int, kind: EntryKind = EntryKind.ADJUST, **more: Any) -> EntryDraft:
    return EntryDraft(kind, points, "", "x", "1", "", **more)


@pytest.mark.parametrize(("there", "then", "paid", "left"), rows("lots"))
def test_which_lot_pays(there: str, then: str, paid: str, left: str) -> None:
    lots = lots_of(there)
    uses: tuple[Share, ...] = ()
    for step in then.split(", "):
        match step.split():
            case ["redeem", points]:
                uses = lots.apply(named("x"), draft(-int(points)), OPENED)
            case ["take", "back", points, "of", "order", order_id]:
                uses = lots.apply(named("x"), draft(-int(points), order_id=order_id), OPENED)
            case ["give", "back", points]:
                lots.apply(named("y"), draft(int(points), uses=still_out(uses, ())), OPENED)
            case ["earn", points, "as", name]:
                lots.apply(named(name), draft(int(points)), OPENED)
            case _:
                raise AssertionError(f"the page says {step!r}, which is not understood here")
    assert shown(uses) == paid
    if left.startswith("debt"):
        assert (lots.open(), lots.spendable) == ([], -int(left.split()[1]))
    else:
        assert shown(lots.open(), lives="until" in left) == left


@pytest.mark.parametrize(("opened", "zone", "terms", "last_day", "at"), rows("opened (UTC)"))
def test_when_a_lot_expires(opened: str, zone: str, terms: str, last_day: str, at: str) -> None:
    after, unit = terms.split(", ")[0].split()
    expiry = Expiry(ExpiryPolicy(unit), int(after), terms.endswith("to month end"))
    found = life_of(expiry, instant(opened), zone).expires_at
    assert found == instant(at)
    before = (found - timedelta(microseconds=1)).astimezone(ZoneInfo(zone))
    assert before.date() == date.fromisoformat(last_day)
    assert found.astimezone(ZoneInfo(zone)).date() > before.date()


def instant(told: str) -> datetime:
    return datetime.fromisoformat(told).replace(tzinfo=UTC)


def test_a_member_who_comes_and_goes() -> None:
    expiry = Expiry(ExpiryPolicy.INACTIVITY, 30)
    lots, active_at, looked_at = Lots(0), None, instant("2026-01-01")
    story = rows("day")
    days = [date.fromisoformat(day) for day, _, _ in story]
    told = {day: (what, said) for day, (_, what, said) in zip(days, story, strict=True)}
    for number in range((days[-1] - days[0]).days + 1):
        day = days[0] + timedelta(days=number)
        now = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
        what, said = told.get(day, ("", ""))
        found = due(lots.open(), active_at, looked_at, now, expiry, "UTC")
        heard = [
            ("last chance: " if warning.last_chance else "")
            + f"{warning.points} expire at the end of "
            + f"{(warning.expires_at - timedelta(seconds=1)).date()}"
            for warning in found.warnings
        ]
        for share in found.expired:
            lots.apply(UUID(int=number), expiry_entry(share, number), now)
            heard.append(f"{share.points} have expired")
        assert "; ".join(heard) == said, day
        looked_at = now
        if what:
            verb, points = what.split()
            kinds = {
                "earns": EntryKind.EARN, "spends": EntryKind.REDEEM, "given": EntryKind.ADJUST
            }  # fmt: skip
            entry = draft(int(points) * (-1 if verb == "spends" else 1), kinds[verb])
            life = life_of(expiry, now, "UTC")
            lots.apply(UUID(int=1000 + number), entry, now, life)
            active_at = now if is_activity(entry) else active_at
    assert lots.open() == []


def test_the_page_has_examples() -> None:
    assert (len(rows("lots")), len(rows("opened (UTC)"))) == (7, 7)
    days = [date.fromisoformat(day) for day, _, _ in rows("day")]
    assert all(a < b for a, b in pairwise(days))
