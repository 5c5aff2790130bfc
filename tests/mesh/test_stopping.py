"""A process ends in order, also when what it stands on has gone before."""

import asyncio
from pathlib import Path

import pytest

from adapters.runtime.host import Process
from adapters.runtime.settings import Settings
from infra.embedded.ports import free_port
from infra.embedded.servers import Servers


@pytest.mark.parametrize("gone", ["nats", "postgres", "valkey"])
async def test_a_process_stops_without_a_server(tmp_path: Path, gone: str) -> None:
    async with Servers(tmp_path) as own:
        ports = {
            "LOYALNEST_HTTP_PORT": str(free_port(set())),
            "LOYALNEST_OPS_PORT": str(free_port(set())),
        }
        process = Process(
            ["api_gateway", "auth", "points", "gamification"],
            Settings.from_environment(own.environment() | ports),
        )
        await process.start()
        await own.kill(gone)
        async with asyncio.timeout(15):
            await process.stop()
