"""A process of its own that asks for one path, and prints how long the answers took. RATE is per
second; 0: as fast as they come.

python -m tests.bench.getter PORT PATH RATE SECONDS [TOKEN]
"""

import asyncio
import gc
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import repeat

import msgspec
import uvloop

from infra.demo_shop.delivery import Delivery
from infra.demo_shop.request import HOST, Prepared, Target
from infra.demo_shop.sender import Report, Sender

_WARM_UP = 2.0
_CONNECTIONS = 64


class Got(msgspec.Struct, frozen=True, kw_only=True):
    """Latencies in milliseconds from when a request was due."""

    answered: int
    refused: int
    per_second: float
    p50_ms: float
    p99_ms: float


def main(port: int, path: str, rate: float, seconds: float, token: str = "") -> None:
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    request = f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\n{authorization}\r\n".encode("ascii")
    asked = Delivery("GET", "", "", datetime.now(UTC), b"")

    async def ask(wanted: float) -> Report:
        prepared = Prepared(asked, request)
        sender = Sender(Target(port, ""), rate=rate or None, connections=_CONNECTIONS)
        if rate:
            return await sender.send(repeat(prepared, int(rate * wanted)))
        end = asyncio.get_running_loop().time() + wanted
        return await sender.send(_until(end, prepared))

    async def measure() -> Report:
        await ask(_WARM_UP)
        await asyncio.sleep(0.1)
        return await ask(seconds)

    print("ready", flush=True)
    gc.freeze()
    gc.disable()
    report = uvloop.run(measure())
    got = Got(
        answered=len(report.accepted),
        refused=sum(report.refused.values()) + len(report.given_up) + report.retries,
        per_second=report.per_second,
        p50_ms=report.latency(0.5) * 1000,
        p99_ms=report.latency(0.99) * 1000,
    )
    print(msgspec.json.encode(got).decode(), flush=True)


def _until(end: float, prepared: Prepared) -> Iterator[Prepared]:
    loop = asyncio.get_running_loop()
    while loop.time() < end:
        yield prepared


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4]), *sys.argv[5:])
