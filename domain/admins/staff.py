"""Who is staff of LoyalNest: what can be wrong with a new colleague, and who has to remain."""

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from domain.admins.errors import LastSuperadmin
from domain.errors import Problem

SUPERADMIN: Final = "superadmin"
INVITATION_LASTS: Final = timedelta(days=3)
CHALLENGE_LASTS: Final = timedelta(minutes=10)
"""From the password to the code; setting up an authenticator has to fit in."""
CHALLENGE_TRIES: Final = 5
DEVICE_LASTS: Final = timedelta(days=90)
"""A device that was not used for this long is a stranger again."""
MOST_DEVICES: Final = 20

_EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")


def email_problems(email: str) -> list[Problem]:
    text = email.strip()
    if len(text) <= 254 and text.isprintable() and _EMAIL.fullmatch(text) is not None:
        return []
    return [Problem("/email", "Expected an address such as name@example.com.")]


def role_problems(role: str, known: Iterable[str]) -> list[Problem]:
    names = sorted(known)
    return [] if role in names else [Problem("/role", f"Expected one of {', '.join(names)}.")]


def check_superadmin_remains(active_superadmins: Iterable[object]) -> None:
    """``active_superadmins`` are those that a change would leave. Raises LastSuperadmin."""
    if not any(True for _ in active_superadmins):
        raise LastSuperadmin
