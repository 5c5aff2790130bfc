"""Passwords with Argon2id: salted, in turn, and as much work for nobody as for somebody."""

import asyncio
import time

import pytest
from argon2 import PasswordHasher

from adapters.crypto.passwords import Argon2Passwords
from domain.errors import Busy


async def test_what_is_kept_is_argon2id_with_a_salt() -> None:
    passwords = Argon2Passwords()
    one, other = await passwords.hashed("four words"), await passwords.hashed("four words")
    assert one != other
    assert one.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert await passwords.matches(one, "four words", known=True)
    assert not await passwords.matches(one, "four  words", known=True)
    assert not await passwords.matches(other, "", known=True)
    assert not passwords.is_outdated(one)
    weaker = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash("four words")
    assert await passwords.matches(weaker, "four words", known=True)
    assert passwords.is_outdated(weaker)


async def test_nobody_takes_as_long_as_somebody_and_never_matches() -> None:
    passwords = Argon2Passwords()
    stored = await passwords.hashed("four words")

    async def seconds(kept: str | None, given: str) -> float:
        best = 60.0
        for _ in range(2):
            started = time.perf_counter()
            assert not await passwords.matches(kept, given, known=True)
            best = min(best, time.perf_counter() - started)
        return best

    known = await seconds(stored, "another password")
    for kept in (None, ""):
        assert 0.5 * known < await seconds(kept, "") < 2 * known
    assert not await passwords.matches("no hash of ours", "four words", known=True)


async def test_those_who_find_too_long_a_line_are_sent_away() -> None:
    passwords = Argon2Passwords(most_waiting=3)
    stored = await passwords.hashed("four words")
    done: list[str] = []

    async def guess(who: str) -> bool:
        known = who == "known"
        right = await passwords.matches(stored if known else None, "four words", known=known)
        done.append(who)
        return right

    strangers = [asyncio.create_task(guess("stranger")) for _ in range(8)]
    await asyncio.sleep(0)  # all of them stand in line now
    assert await guess("known")
    # One stranger was at it, and one was next.
    assert done.index("known") <= 2
    answers = await asyncio.gather(*strangers, return_exceptions=True)
    assert sum(isinstance(each, Busy) for each in answers) == 5
    assert answers.count(False) == 3
    # Whoever gives up does not stay in the line.
    for _ in range(4):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(passwords.matches(stored, "four words", known=False), 0.001)
    assert await passwords.matches(stored, "four words", known=False)
