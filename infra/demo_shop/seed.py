"""The small shop that a fresh installation starts with, so that its pages are alive at once."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from infra.demo_shop.request import prepare
from infra.demo_shop.sender import Sender
from infra.demo_shop.settings import target_of
from infra.demo_shop.stream import Plan, deliveries
from infra.demo_shop.telling import tell

_SEED: Final = 20_261
_YEARS: Final = timedelta(days=730)


class NotSeeded(Exception):
    """Some of the demo shop did not arrive."""


async def seed(environment: Mapping[str, str]) -> None:
    """Sends about 60 products, 400 customers and 1,500 orders of the past two years. Sending them
    twice changes nothing: the ids are the same every time.

    Raises ``infra.demo_shop.settings.NotConfigured``, or NotSeeded if the edge refused some or
    was not there for a minute.
    """
    target = target_of(environment)
    plan = Plan(
        seed=_SEED, run="seed", orders=1_500, customers=400, now=datetime.now(UTC), span=_YEARS
    )
    await tell(plan, environment)
    report = await Sender(target).send(prepare(deliveries(plan), target))
    if report.refused or report.given_up:
        refused = ", ".join(f"{n} × {status}" for status, n in sorted(report.refused.items()))
        raise NotSeeded(
            f"The demo shop is incomplete: refused {refused or 'none'}, "
            f"unanswered {len(report.given_up)}."
        )
