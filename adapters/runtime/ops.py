"""Health, readiness and metrics of a process, on a port of its own that no stranger reaches."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from litestar import Litestar, Response, get
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from adapters.telemetry.metrics import READY

_PATIENCE: Final = 2.0
"""Seconds that a scrape waits for the state; a database that hangs must not hide the metrics."""

Report = Callable[[], Awaitable[Mapping[str, str]]]
"""The state of every service here: "ok", or in short what is missing."""


def is_ready(services: Mapping[str, str]) -> bool:
    return all(state == "ok" for state in services.values())


def ops_app(report: Report) -> Litestar:
    @get("/health", sync_to_thread=False)
    def health() -> dict[str, str]:
        """The process lives; says nothing about what it needs."""
        return {"status": "healthy"}

    @get("/ready")
    async def ready() -> Response[dict[str, object]]:
        """Every service here can do its work."""
        services = dict(await report())
        fine = is_ready(services)
        return Response(
            {"status": "ready" if fine else "not ready", "services": services},
            status_code=200 if fine else 503,
        )

    @get("/metrics")
    async def metrics() -> Response[bytes]:
        try:
            async with asyncio.timeout(_PATIENCE):
                READY.set(is_ready(await report()))
        except TimeoutError:
            READY.set(0)
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return Litestar([health, ready, metrics], openapi_config=None, logging_config=None)
