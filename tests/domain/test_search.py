"""Texts in a search: what is the same, and what is no text."""

import pytest

from domain.search import folded, words_of


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Crème  BRÛLÉE", "creme brulee"),
        ("T-Shirt (L)", "t shirt l"),
        ("Straße", "strasse"),
        ("ﬁne ①", "fine 1"),
        ("Чёрный", "черныи"),
        ("snake_case", "snake case"),
        ("  %_'\\ ", ""),
    ],
)
def test_spellings_that_are_the_same(text: str, same: str) -> None:
    assert folded(text) == same
    assert folded(same) == same


def test_words_are_letters_and_digits() -> None:
    assert words_of("a'; DROP--b2") == ["a", "drop", "b2"]
