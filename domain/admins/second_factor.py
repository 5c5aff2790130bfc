"""The second factor: codes of an authenticator (TOTP, RFC 6238) and codes for when it is lost."""

import hmac
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

STEP: Final = timedelta(seconds=30)
DRIFT: Final = 1
"""Steps that the clock of an authenticator may be ahead or behind (RFC 6238, 5.2)."""
DIGITS: Final = 6

RECOVERY_CODES: Final = 10
RECOVERY_BYTES: Final = 10
"""80 random bits in a recovery code: too many to try, few enough to copy from paper."""


def step_at(now: datetime) -> int:
    """The number of the step that ``now`` is in."""
    return int(now.timestamp()) // int(STEP.total_seconds())


def accepted_step(
    code: str, now: datetime, last_used: int, code_at: Callable[[int], str]
) -> int | None:
    """The step whose code this is, if it may still be used: within the drift, and later than the
    last that was used, so that a code that somebody has looked at over a shoulder is worth nothing.
    The latest of several, so that none of them is left for a second time.
    """
    given = "".join(code.split())
    if len(given) != DIGITS or not given.isascii() or not given.isdigit():
        return None
    here = step_at(now)
    found = None
    for step in range(max(here - DRIFT, last_used + 1), here + DRIFT + 1):
        if hmac.compare_digest(code_at(step), given):
            found = step
    return found
