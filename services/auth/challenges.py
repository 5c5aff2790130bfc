"""The way from the first factor to the second: a challenge that stands for the first."""

from collections.abc import Callable
from typing import Final

from contracts.admins import AdminChallenge
from domain.admins.staff import CHALLENGE_LASTS
from ports.admin_log_ins import AdminStores, Challenge, Step
from ports.admins import Admin
from ports.unit import Unit
from services.auth.vault import digest

Random = Callable[[int], bytes]
"""So many bytes that nobody can guess."""

_TOKEN_BYTES: Final = 32


def new_token(random: Random) -> str:
    """A secret that stands for something, as text."""
    return random(_TOKEN_BYTES).hex()


async def challenged(
    unit: Unit[AdminStores], admin: Admin, step: Step, device: str, random: Random
) -> AdminChallenge:
    """Ask somebody whose first factor was right for the second."""
    token = new_token(random)
    now = unit.now()
    expires_at = now + CHALLENGE_LASTS
    challenge = Challenge(
        digest=digest(token),
        admin_id=admin.admin_id,
        step=step,
        device=device,
        sealed_secret="",
        tries=0,
        began_at=now,
        expires_at=expires_at,
    )
    await unit.stores.log_ins.begin(challenge)
    return AdminChallenge(challenge=token, step=step, expires_at=expires_at)


def step_of(admin: Admin) -> Step:
    return Step.CODE if admin.is_enrolled else Step.ENROL
