"""Operations and events that were taken away on purpose, and what to use instead."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

RETIRED: Final[Mapping[str, str]] = MappingProxyType({})
"""By name or topic. A removal that is not here fails the check; see ``docs/contributing.md``."""
