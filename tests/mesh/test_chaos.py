"""The short crash test: every service, NATS and PostgreSQL killed once while orders flow and points
are spent."""

import pytest

from services import SERVICES
from tests.mesh.chaos.killing import Chaos
from tests.rig.stack import Layout

# Some services share a process here, or starting all of them again would take the minute.
_LAYOUT: Layout = (
    SERVICES[:1],
    SERVICES[1:5],
    *((name,) for name in ("points", "rfm")),
    tuple(name for name in SERVICES[5:] if name not in ("points", "rfm")),
)
_VICTIMS = (*(process[0] for process in _LAYOUT), "nats", "postgres")


@pytest.mark.slow
async def test_nothing_is_lost_or_doubled_when_everything_is_killed_once() -> None:
    chaos = Chaos(_VICTIMS, layout=_LAYOUT, rate=100, pause=0.3)
    outcome = await chaos.run(rounds=1)
    assert outcome.kills == dict.fromkeys(sorted(_VICTIMS), 1)
    assert outcome.sent.accepted > 300
    assert outcome.redeemed > 10
    assert outcome.right, outcome.verdict
