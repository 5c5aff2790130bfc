"""Servers that only some benchmarks start."""

from contextlib import AsyncExitStack
from pathlib import Path

from infra.embedded.home import Home
from infra.embedded.mongo import MongoServer
from infra.embedded.ports import free_port
from infra.embedded.secrets import load


async def mongod(stack: AsyncExitStack, folder: Path) -> MongoServer:
    """MongoDB until ``stack`` is left."""
    home = Home(folder)
    home.create()
    server = MongoServer(home, free_port(set()), load(home))
    await server.start()
    stack.push_async_callback(server.stop)
    return server
