"""Health, readiness and metrics of a process, on a port of its own that no stranger reaches."""

from collections.abc import Awaitable, Callable, Mapping

from litestar import Litestar, Response, get
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

Report = Callable[[], Awaitable[Mapping[str, str]]]
"""The state of every service here: "ok", or in short what is missing."""


def ops_app(report: Report) -> Litestar:
    @get("/health", sync_to_thread=False)
    def health() -> dict[str, str]:
        """The process lives; says nothing about what it needs."""
        return {"status": "healthy"}

    @get("/ready")
    async def ready() -> Response[dict[str, object]]:
        """Every service here can do its work."""
        services = dict(await report())
        fine = all(state == "ok" for state in services.values())
        return Response(
            {"status": "ready" if fine else "not ready", "services": services},
            status_code=200 if fine else 503,
        )

    @get("/metrics", sync_to_thread=False)
    def metrics() -> Response[bytes]:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return Litestar([health, ready, metrics], openapi_config=None, logging_config=None)
