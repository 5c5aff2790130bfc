"""Names are cut so that spellings of one name share parts, whatever was mistyped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.names import least_shared, name_parts

LETTERS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=5, max_size=12)


def share(asked: str, *name: str) -> float:
    """How much of what is asked for is in the name: 0 to 1."""
    parts = set(name_parts(asked))
    return len(parts & set(name_parts(*name))) / len(parts)


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("ADA LOVELACE", ("Ada", "Lovelace")),
        ("lovelace, ada", ("Ada", "Lovelace")),
        ("zoe", ("Zoë", "")),
        ("Zoe\u0308", ("Zoë", "")),
        ("strasse", ("Straße", "")),
        ("Lukasz Odegard", ("Łukasz", "Ødegård")),
        ("obrien", ("O’Brien", "")),
        ("O'Brien", ("OBrien", "")),
        ("jean luc", ("Jean-Luc", "Picard")),
        ("nguyen van an", ("An", "Nguyễn Văn")),
        ("istanbul", ("İstanbul", "")),
        ("αλεξης", ("Αλέξης", "")),
        ("太郎", ("", "田中太郎")),
        ("田中", ("田中太郎", "")),
        ("タナカ", ("ﾀﾅｶ", "")),
        ("김민수", ("민수", "김")),
        ("مُحَمَّد", ("محمد", "")),
    ],
)
def test_another_spelling_is_the_same_name(asked: str, name: tuple[str, str]) -> None:
    assert share(asked, *name) >= 0.5
    if not asked.startswith(("김", "O'")):
        assert share(asked, *name) == 1


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("lovlace", "Lovelace"),
        ("lovelacce", "Lovelace"),
        ("lovekace", "Lovelace"),
        ("smiht", "Smith"),
        ("simth", "Smith"),
        ("love", "Lovelace"),
        ("loveland", "Lovelace"),
        ("mueller", "Müller"),
        ("kathryn", "Katherine"),
        ("राम", "राम शर्मा"),
    ],
)
def test_a_misspelt_or_unfinished_name_is_near_enough(asked: str, name: str) -> None:
    assert share(asked, name) >= 0.5


@pytest.mark.parametrize("name", ["Byron", "Babbage", "田村", "Лавлейс"])
def test_another_name_is_not(name: str) -> None:
    assert share("Ada Lovelace", name) < 0.2


@given(LETTERS, st.integers(0, 10))
def test_two_letters_in_the_wrong_order_leave_most_parts(name: str, at: int) -> None:
    at %= len(name) - 1
    swapped = name[:at] + name[at + 1] + name[at] + name[at + 2 :]
    lost = len(set(name_parts(swapped)) - set(name_parts(name)))
    # Trigrams with one of the two letters only: two on each side, three at a beginning.
    assert lost <= 4


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_is_cut_and_the_order_of_its_texts_does_not_matter(one: str, other: str) -> None:
    parts = name_parts(one, other)
    assert parts == name_parts(other, one)
    assert len(set(parts)) == len(parts) <= 2 * 1000
    inner = [sum(each < " " for each in part) for part in parts]
    assert inner == sorted(inner)


def test_nothing_to_go_by_gives_no_parts() -> None:
    assert name_parts("", " \t", "!?…", "’") == []


def test_half_has_to_be_shared() -> None:
    assert [least_shared(parts) for parts in (1, 2, 3, 4, 14)] == [1, 1, 2, 2, 7]
