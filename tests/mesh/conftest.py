"""What tests over the mesh count is printed at the end of a run."""

from collections.abc import Callable
from typing import Any

import pytest

_LINES = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def counted(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Takes a line for the end of the run."""
    return pytestconfig.stash.setdefault(_LINES, []).append


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for line in config.stash.get(_LINES, []):
        terminalreporter.write_line(line)
