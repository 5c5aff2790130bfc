"""The short crash test: every service, NATS and PostgreSQL killed once while orders flow."""

import pytest

from tests.mesh.chaos.killing import Chaos


@pytest.mark.slow
async def test_nothing_is_lost_or_doubled_when_everything_is_killed_once() -> None:
    chaos = Chaos(rate=100, pause=0.3)
    outcome = await chaos.run(rounds=1)
    assert set(outcome.kills.values()) == {1}
    assert outcome.sent.accepted > 500
    assert outcome.right, outcome.verdict
