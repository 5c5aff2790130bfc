"""The wired services, each made once for all tests of the contracts."""

from collections.abc import Callable
from functools import cache

import pytest

from adapters.runtime.service import Service
from tests.contracts.wired import wire

Wired = Callable[[str], Service]


@pytest.fixture(scope="session")
def wired(tmp_path_factory: pytest.TempPathFactory) -> Wired:
    """Any service by its name."""
    return cache(lambda name: wire(name, tmp_path_factory.mktemp(name)))
