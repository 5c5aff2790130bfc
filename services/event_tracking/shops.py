"""Shops that are closed: their tasks wait until they are open again."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from contracts.auth import MerchantChanged
from ports.events import Received
from ports.tasks import ShopNews, Tasks
from ports.unit import Unit


async def heed(unit: Unit[Tasks], events: Sequence[Received[Any]]) -> None:
    """Remember which shops are closed: suspended, or without the app. The newest word counts."""
    newest: dict[UUID, ShopNews] = {}
    for event in events:
        body: MerchantChanged = event.body
        known = newest.get(event.merchant_id)
        if known is None or known.at < event.at:
            newest[event.merchant_id] = ShopNews(body.status != "active", event.at)
    await unit.stores.heed(newest, unit.now())
