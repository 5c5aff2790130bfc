"""How often a log-in may be guessed at, without letting a stranger lock somebody out.

Failures are counted in buckets. A guess from a device that the account has logged in from before
falls into a bucket of that device alone; any other into one for where it comes from and one for all
strangers of the account together. No stranger can touch the bucket of a known device, so whatever
they do, the account's owner gets in from there. (After OWASP, "Slow Down Online Guessing Attacks
with Device Cookies".)

A guess is counted before it is checked, so that many at the same moment are as many guesses; a
right one is taken out again.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final


class Pace(StrEnum):
    """What a bucket is for; each has its own patience."""

    DEVICE = "device"
    SOURCE = "source"
    STRANGERS = "strangers"
    CODES_DEVICE = "codes_device"
    CODES_STRANGERS = "codes_strangers"
    ORGANIZATION_CODES = "organization_codes"


@dataclass(frozen=True, slots=True)
class Patience:
    """``free`` failures cost nothing; the next costs a wait of ``first``, and each after that twice
    as much as the one before, ``longest`` at most. In every ``leak`` one failure is forgotten."""

    free: int
    first: timedelta
    longest: timedelta
    leak: timedelta

    @property
    def most(self) -> int:
        """Failures beyond these do not make the wait longer, and are not counted."""
        return self.free + math.ceil(math.log2(self.longest / self.first))


_SECOND: Final = timedelta(seconds=1)
_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)

PATIENCE: Final[Mapping[Pace, Patience]] = {
    Pace.DEVICE: Patience(8, 2 * _SECOND, 15 * _MINUTE, _HOUR),
    Pace.SOURCE: Patience(5, 2 * _SECOND, _HOUR, _HOUR),
    # Many sources at once. Four that never rest are forgotten as quickly as they guess; twenty at
    # once get here, and then new devices wait.
    Pace.STRANGERS: Patience(100, _MINUTE, _HOUR, 15 * _MINUTE),
    # Six digits, three of which are right at any time. Whoever gets this far knows the password,
    # so no stranger does.
    Pace.CODES_DEVICE: Patience(8, 10 * _SECOND, _HOUR, _HOUR),
    Pace.CODES_STRANGERS: Patience(8, 30 * _SECOND, _HOUR, _HOUR),
    # Far too long to be guessed; whoever tries all the same is slowed down.
    Pace.ORGANIZATION_CODES: Patience(10, 30 * _SECOND, _HOUR, _HOUR),
}

FORGOTTEN_AFTER: Final = timedelta(days=2)
"""After this long every bucket is empty."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where failures are counted. ``shared`` ones hold those of several people, so that one's
    success does not excuse the others."""

    pace: Pace
    owner: str
    shared: bool = False

    @property
    def name(self) -> str:
        return f"{self.pace}:{self.owner}"


@dataclass(frozen=True, slots=True)
class Failures:
    """What a bucket held when the last failure fell into it, that one included."""

    count: float = 0
    last_at: datetime | None = None


NONE: Final = Failures()


def password_buckets(account: str, source: str, device: str) -> tuple[Bucket, ...]:
    """``account`` stands for the e-mail address, whether or not anybody has it; ``device`` is
    empty unless the account knows it."""
    if device:
        return (Bucket(Pace.DEVICE, f"{account}:{device}"),)
    return (
        Bucket(Pace.SOURCE, f"{account}:{source}"),
        Bucket(Pace.STRANGERS, account, shared=True),
    )


def code_buckets(account: str, device: str) -> tuple[Bucket, ...]:
    """For second factors; where the guess comes from does not matter, for the password is known."""
    if device:
        return (Bucket(Pace.CODES_DEVICE, f"{account}:{device}"),)
    return (Bucket(Pace.CODES_STRANGERS, account, shared=True),)


def wait(pace: Pace, count: float) -> timedelta:
    """How long after the last of so many failures the next guess may come."""
    patience = PATIENCE[pace]
    # One that is forgotten in part still counts, or there would be one free guess more.
    over = min(math.ceil(count), patience.most) - patience.free
    if over < 0:
        return timedelta(0)
    return min(patience.longest, patience.first * (1 << over))


def left(pace: Pace, failures: Failures, now: datetime) -> float:
    """How many of them are not forgotten yet."""
    if failures.last_at is None:
        return 0
    since = max(timedelta(0), now - failures.last_at)
    return max(0, failures.count - since / PATIENCE[pace].leak)


def may_guess(held: Iterable[tuple[Bucket, Failures]], now: datetime) -> bool:
    """Whether a guess that falls into these buckets is looked at at all."""
    return all(
        failures.last_at is None or now >= failures.last_at + wait(bucket.pace, failures.count)
        for bucket, failures in held
    )


def counted(bucket: Bucket, failures: Failures, now: datetime) -> Failures:
    """With one guess more."""
    count = min(left(bucket.pace, failures, now) + 1, PATIENCE[bucket.pace].most)
    return Failures(count, now if failures.last_at is None else max(now, failures.last_at))


def excused(bucket: Bucket, failures: Failures) -> Failures:
    """After a guess that was counted turned out right."""
    if bucket.shared and failures.count > 1:
        return Failures(failures.count - 1, failures.last_at)
    return NONE
