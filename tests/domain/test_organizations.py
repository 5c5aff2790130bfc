"""Names of organisations, and which shops have left theirs with the app."""

from datetime import timedelta

import pytest

from domain.organizations import LONGEST_NAME, has_left, name_problems
from tests.domain.shop import NOW

LATER = NOW + timedelta(seconds=1)


@pytest.mark.parametrize("name", ["House of Tea", " ☕ ", "x" * LONGEST_NAME])
def test_a_name_is_a_line(name: str) -> None:
    assert name_problems(name) == []


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "\x07", "x" * (LONGEST_NAME + 1)])
def test_anything_else_is_none(name: str) -> None:
    assert [each.pointer for each in name_problems(name)] == ["/name"]


@pytest.mark.parametrize("uninstalled", [False, True])
def test_a_shop_has_left_that_is_gone_or_came_back_since(uninstalled: bool) -> None:
    assert has_left(uninstalled=uninstalled, installed_at=LATER, joined_at=NOW)
    assert has_left(uninstalled=uninstalled, installed_at=NOW, joined_at=LATER) is uninstalled
    assert has_left(uninstalled=uninstalled, installed_at=NOW, joined_at=NOW) is uninstalled
