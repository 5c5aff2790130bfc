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

    async def work(kept: str | None, given: str) -> float:
        """Seconds of processor time, which others on the machine take nothing from."""
        started = time.process_time()
        assert not await passwords.matches(kept, given, known=True)
        return time.process_time() - started

    await work(stored, "")  # the first of all prepares what nobody is compared with
    # In turn, so that what slows the machine down slows all of them down; the least is the work.
    rounds = [[await work(kept, "another") for kept in (stored, None, "")] for _ in range(4)]
    somebody, nobody, empty = (min(each) for each in zip(*rounds, strict=True))
    assert 0.6 * somebody < nobody < 1.6 * somebody
    assert 0.6 * somebody < empty < 1.6 * somebody
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
