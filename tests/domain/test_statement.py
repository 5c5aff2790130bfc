"""Lines of statements: every entry says why it is there, and the balance after it."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.points.bonus import Bonus, Goods, Overlap
from domain.points.earning import RuleSnapshot, purchase_points
from domain.points.ledger import EntryDraft, EntryKind, Source
from domain.points.statement import Entry, in_words, lines, terms_in_words
from domain.points.wallet import EMPTY
from tests.domain.shop import USD, order

AT = datetime(2026, 5, 1, tzinfo=UTC)
TERMS: RuleSnapshot = purchase_points(USD, order("100", financial_status="paid")).snapshot
KINDS = st.sampled_from((EntryKind.EARN, EntryKind.REDEEM, EntryKind.EXPIRE, EntryKind.ADJUST))


def entry(kind: EntryKind, points: int, *, pending: bool = False) -> Entry:
    draft = EntryDraft(kind, points, "", Source.ADJUST, "", "", pending=pending)
    return Entry(UUID(int=1), draft, AT)


@given(st.lists(st.tuples(KINDS, st.integers(-1000, 1000), st.booleans()), max_size=20))
def test_what_lies_between_two_balances_is_the_sum_of_the_lines(
    told: list[tuple[EntryKind, int, bool]],
) -> None:
    entries = [entry(kind, points, pending=pending) for kind, points, pending in told]
    found = list(lines(EMPTY, entries))
    assert [line.entry for line in found] == entries
    if found:
        assert found[-1].wallet.total == sum(points for _, points, _ in told)
    half = len(found) // 2
    if half:
        assert list(lines(found[half - 1].wallet, entries[half:])) == found[half:]


@pytest.mark.parametrize("kind", EntryKind)
@pytest.mark.parametrize("source", [*Source, "referral", "of another day"])
def test_every_entry_has_words(kind: EntryKind, source: str) -> None:
    draft = EntryDraft(kind, 5, "by Ada Lovelace", source, "r1", "rule")
    for each in (draft, draft._replace(undoes=UUID(int=1)), draft._replace(snapshot=TERMS)):
        words = in_words(each, "USD")
        assert words
        assert "Ada" not in words


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rate": Decimal("2.50")}, "2.5 points per 1.00 USD on 100.00 USD, rounded down"),
        (
            {"base": Decimal("0.125")},
            "1 point per 1.00 USD on 0.125 USD, rounded down",
        ),
        (
            {
                "bonuses": (
                    Bonus("tier:Gold", Decimal("1.50")),
                    Bonus("shoes", Decimal(2), Goods(tags=("shoes",))),
                ),
                "overlap": Overlap.STACK,
            },
            "1 point per 1.00 USD on 100.00 USD, Gold ×1.5, bonus shoes ×2 on some of the goods,"
            " all of them, rounded down",
        ),
        ({"cap": 100}, "1 point per 1.00 USD on 100.00 USD, limited to 100 points"),
    ],
)
def test_terms_in_words(changes: dict[str, object], words: str) -> None:
    terms = RuleSnapshot(**TERMS._asdict() | changes)
    assert terms_in_words(terms, "USD") == words


def test_an_amount_without_a_currency_is_plain() -> None:
    assert terms_in_words(TERMS, "") == "1 point per 1 on 100, rounded down"
