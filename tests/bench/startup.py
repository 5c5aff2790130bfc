"""`bench startup`: from `up --detach` on an empty home to healthy, again, and the memory then.

The floor is the three servers alone, started in an empty home of their own.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import psutil

from infra.embedded.home import CHECKOUT
from infra.embedded.ports import free_port
from infra.embedded.servers import Servers
from tests.bench.report import Result, ratio
from tests.rig.cpu import memory_of

_LOYALNEST: Final = (sys.executable, "-m", "infra.cli.main")
_MEGABYTE: Final = 1024 * 1024


async def bench(seconds: float) -> Result:
    """``seconds`` is how long the idle services are left alone before they are looked at."""
    with tempfile.TemporaryDirectory(prefix="loyalnest-startup-") as folder:
        first, second, memory = await _product(Path(folder) / "home", seconds or 3.0)
        bare = await _servers(Path(folder) / "bare")
    return Result(
        bench="startup",
        figure=first,
        unit="s to healthy, empty home",
        better="lower",
        floor=bare,
        ratio=ratio(first, bare),
        details={
            "second start": f"{second:.2f} s",
            "idle memory": f"{memory[0] / _MEGABYTE:.0f} MB RSS, {memory[1] / _MEGABYTE:.0f} MB PSS"
            " (all 15 services in one process)",
        },
    )


async def _product(home: Path, idle: float) -> tuple[float, float, tuple[int, int]]:
    """Seconds of the first and of the second start, memory after the second."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LOYALNEST_")}
    environment |= {
        "LOYALNEST_HOME": str(home),
        "LOYALNEST_HTTP_PORT": str(free_port(set())),
        "LOYALNEST_OPS_PORT": str(free_port(set())),
    }
    try:
        started = time.monotonic()
        await _loyalnest(environment, "up", "--detach", "--no-demo")
        first = time.monotonic() - started
        await _loyalnest(environment, "down")
        started = time.monotonic()
        answer = await _loyalnest(environment, "up", "--detach", "--no-demo")
        second = time.monotonic() - started
        await asyncio.sleep(idle)
        return first, second, memory_of(_services_of(json.loads(answer)))
    finally:
        # Shielded: a Ctrl-C must not leave running what was detached.
        await asyncio.shield(_loyalnest(environment, "down", check=False))


def _services_of(answer: dict[str, Any]) -> int:
    """The process with all services, among the children of the supervisor."""
    for child in psutil.Process(answer["pid"]).children():
        if "serve" in child.cmdline():
            return child.pid
    raise AssertionError("no process serves")


async def _loyalnest(environment: dict[str, str], *words: str, check: bool = True) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *[*_LOYALNEST, *words], env=environment, cwd=CHECKOUT, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    output, errors = await process.communicate()
    if check and process.returncode:
        raise AssertionError(errors.decode(errors="replace").strip() or "it did not start")
    return output


async def _servers(home: Path) -> float:
    started = time.monotonic()
    async with Servers(home):
        return time.monotonic() - started
