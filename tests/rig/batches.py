"""How many events the consumers of a rig took at a time, from the metrics of its processes."""

import asyncio
import re
from typing import Final

from tests.rig.stack import Stack

_LINE: Final = re.compile(
    r'^loyalnest_batch_size_(sum|count)\{consumer="([^"]+)"\} ([0-9.e+]+)$', re.MULTILINE
)


async def mean_batches(stack: Stack) -> dict[str, float]:
    """Events in a batch on average since the start, by consumer."""
    found: dict[str, dict[str, float]] = {}
    for worker in stack.workers.values():
        for kind, consumer, number in _LINE.findall(await _metrics(worker.ops_port)):
            found.setdefault(consumer, {})[kind] = float(number)
    return {name: each["sum"] / each["count"] for name, each in found.items() if each["count"]}


async def _metrics(port: int) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    try:
        return (await reader.read()).decode()
    finally:
        writer.close()
