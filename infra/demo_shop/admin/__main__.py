"""Serves the demo shop's admin until it is told to stop; `up` runs this beside the services."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Final

import msgspec

from domain.scopes import REQUIRED_SCOPES
from infra.demo_shop.admin.credentials import App
from infra.demo_shop.admin.grants import Grants, Memory
from infra.demo_shop.admin.server import Admin
from infra.embedded.demo_admin import PORT_SETTING
from infra.embedded.home import Home, write_private

_FILE: Final = "shopify.json"


async def main() -> None:
    environment = os.environ
    app = App(
        environment["LOYALNEST_SHOPIFY_CLIENT_ID"],
        environment["LOYALNEST_SHOPIFY_CLIENT_SECRET"],
        tuple(sorted(REQUIRED_SCOPES)),
    )
    file = Home(Path(environment["LOYALNEST_HOME"])).data / _FILE
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    grants = Grants(
        app,
        memory=_remembered(file),
        changed=lambda memory: write_private(file, msgspec.json.encode(memory).decode()),
    )
    callback = f"http://127.0.0.1:{environment['LOYALNEST_HTTP_PORT']}/v1/api/auth/callback"
    port = int(environment[PORT_SETTING])
    async with Admin(app, port, callbacks=[callback], grants=grants):
        await stop.wait()


def _remembered(file: Path) -> Memory:
    """What was written down by the run before: an app that was installed then still is."""
    if not file.exists():
        return Memory()
    try:
        return msgspec.json.decode(file.read_bytes(), type=Memory)
    except msgspec.MsgspecError:
        sys.stderr.write(f"{file} is not what was written; starting anew.\n")
        return Memory()


if __name__ == "__main__":
    asyncio.run(main())
