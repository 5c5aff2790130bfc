"""Who is staff of LoyalNest: what can be wrong with a new colleague, and who has to remain."""

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from domain.admins.errors import LastSuperadmin
from domain.errors import Problem
from domain.rbac import ADMIN_ROLES

SUPERADMIN: Final = "superadmin"
SESSION_LASTS: Final = timedelta(hours=12)
"""A day's work; then both factors are asked for again, however busy somebody was."""
INVITATION_LASTS: Final = timedelta(days=3)
CHALLENGE_LASTS: Final = timedelta(minutes=10)
"""From the password to the code; setting up an authenticator has to fit in."""
CHALLENGE_TRIES: Final = 5
ERRAND_LASTS: Final = timedelta(minutes=10)
"""From leaving for the identity provider to coming back."""
DEVICE_LASTS: Final = timedelta(days=90)
"""A device that was not used for this long is a stranger again."""
MOST_DEVICES: Final = 20

_EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")


def email_problems(email: str) -> list[Problem]:
    text = email.strip()
    if len(text) <= 254 and text.isprintable() and _EMAIL.fullmatch(text) is not None:
        return []
    return [Problem("/email", "Expected an address such as name@example.com.")]


def role_problems(role: str) -> list[Problem]:
    names = [each.name for each in ADMIN_ROLES]
    return [] if role in names else [Problem("/role", f"Expected one of {', '.join(names)}.")]


def check_superadmin_remains(can_log_in: Iterable[bool]) -> None:
    """``can_log_in`` says of each admin, as a change would leave them, whether they are a
    superadmin who can log in. Raises LastSuperadmin."""
    if not any(can_log_in):
        raise LastSuperadmin
