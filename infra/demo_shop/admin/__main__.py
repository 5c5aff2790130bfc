"""Serves the demo shop's admin until it is told to stop; `up` runs this beside the services."""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar
from uuid import uuid4

import msgspec

from domain.scopes import REQUIRED_SCOPES
from infra.demo_shop.admin.api.shop import Payload
from infra.demo_shop.admin.credentials import App
from infra.demo_shop.admin.grants import Grants, Memory
from infra.demo_shop.admin.playing import Deliver
from infra.demo_shop.admin.server import Admin
from infra.demo_shop.admin.stock import Stock, Told
from infra.demo_shop.delivery import Delivery
from infra.demo_shop.request import Target, prepared
from infra.demo_shop.sender import Sender
from infra.demo_shop.wire import encode
from infra.embedded.demo_admin import PORT_SETTING
from infra.embedded.home import Home, write_private

_FILE: Final = "shopify.json"
_PLANS: Final = "shopify-plans.json"
_Kept = TypeVar("_Kept")


async def main() -> None:
    environment = os.environ
    app = App(
        environment["LOYALNEST_SHOPIFY_CLIENT_ID"],
        environment["LOYALNEST_SHOPIFY_CLIENT_SECRET"],
        tuple(sorted(REQUIRED_SCOPES)),
    )
    data = Home(Path(environment["LOYALNEST_HOME"])).data
    file, plans = data / _FILE, data / _PLANS
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    grants = Grants(
        app,
        memory=_read(file, Memory) or Memory(),
        changed=lambda memory: write_private(file, msgspec.json.encode(memory).decode()),
    )
    stock = Stock(
        _read(plans, dict[str, list[Told]]) or {},
        lambda told: write_private(plans, msgspec.json.encode(told).decode()),
    )
    gateway = int(environment["LOYALNEST_HTTP_PORT"])
    async with Admin(
        app,
        int(environment[PORT_SETTING]),
        callbacks=[f"http://127.0.0.1:{gateway}/v1/api/auth/callback"],
        grants=grants,
        stock=stock,
        anybody=True,
        deliver=_teller(Target(gateway, app.secret)),
    ):
        await stop.wait()


def _read(file: Path, what: type[_Kept]) -> _Kept | None:
    """What was written down by the run before: an app that was installed then still is."""
    if not file.exists():
        return None
    try:
        return msgspec.json.decode(file.read_bytes(), type=what)
    except msgspec.MsgspecError:
        sys.stderr.write(f"{file} is not what was written; starting anew.\n")
        return None


def _teller(target: Target) -> Deliver:
    """Sends webhooks to the gateway, one at a time, as often as Shopify would until it is there."""

    async def deliver(shop: str, topic: str, payload: Payload) -> None:
        delivery = Delivery(topic, str(uuid4()), str(uuid4()), datetime.now(UTC), encode(payload))
        to = target._replace(shop=shop)
        await Sender(to).send([prepared(delivery, to)])

    return deliver


if __name__ == "__main__":
    asyncio.run(main())
