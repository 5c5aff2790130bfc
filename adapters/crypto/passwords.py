"""``ports.passwords.Passwords`` with Argon2id, in a thread beside the event loop."""

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from domain.errors import Busy

ResultT = TypeVar("ResultT")

_MOST_WAITING: Final = 32
"""About three seconds of work; who comes later is sent away at once."""


class Argon2Passwords:
    """Parameters are RFC 9106's second choice: 64 MiB, 3 passes, about 0.1 s.

    One at a time, so that a flood of guesses takes this memory once and leaves the processor to
    everything else. Strangers stand in a line of their own and only the first of them waits for
    its turn among the others, so that those are never behind more than one stranger.
    """

    def __init__(self, most_waiting: int = _MOST_WAITING) -> None:
        self._hasher = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._one_at_a_time = asyncio.Lock()
        self._first_stranger = asyncio.Lock()
        self._most_waiting = most_waiting
        self._waiting = {True: 0, False: 0}
        self._nobodys: str | None = None

    async def hashed(self, password: str) -> str:
        return await self._in_turn(lambda: self._hasher.hash(password), known=True)

    async def matches(self, stored: str | None, password: str, *, known: bool) -> bool:
        return await self._in_turn(lambda: self._verify(stored, password), known=known)

    def is_outdated(self, stored: str) -> bool:
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str | None, password: str) -> bool:
        if self._nobodys is None:
            self._nobodys = self._hasher.hash("")
        try:
            self._hasher.verify(stored or self._nobodys, password)
        except (VerificationError, InvalidHashError):
            return False
        return bool(stored)

    async def _in_turn(self, work: Callable[[], ResultT], *, known: bool) -> ResultT:
        if self._waiting[known] >= self._most_waiting:
            raise Busy
        self._waiting[known] += 1
        try:
            async with nullcontext() if known else self._first_stranger, self._one_at_a_time:
                return await asyncio.to_thread(work)
        finally:
            self._waiting[known] -= 1
