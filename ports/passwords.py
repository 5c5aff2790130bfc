"""Passwords: what is kept instead of them, and whether one is right."""

from typing import Protocol


class Passwords(Protocol):
    """All of it is slow on purpose, and done one at a time; nothing else waits for it."""

    async def hashed(self, password: str) -> str:
        """What is stored: salted, with its parameters. Raises Busy when too many wait."""
        ...

    async def matches(self, stored: str | None, password: str, *, known: bool) -> bool:
        """Whether ``password`` was what became ``stored``. With None, for an account that is not
        there, the answer is no, and takes as long. However many strangers wait, whoever is
        ``known`` does not stand behind them. Raises Busy when too many wait."""
        ...

    def is_outdated(self, stored: str) -> bool:
        """Whether it was made with other parameters than are used now."""
        ...
