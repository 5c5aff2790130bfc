"""The threat model names tests that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "threats.md"


def test_every_wall_is_shown_by_a_test_that_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text(encoding="utf-8")))
    assert len(named) > 50
    found = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text("utf-8"), re.MULTILINE)
    }
    assert named - found == set()


def test_every_threat_has_a_wall_and_a_test() -> None:
    _, _, walls = PAGE.read_text(encoding="utf-8").partition("## Walls")
    rows = [line for line in walls.splitlines() if re.match(r"\| (?!what |---)", line)]
    assert len(rows) > 25
    assert [line for line in rows if "`test_" not in line] == []
