"""A seeded shop with all its services in this process, and a browser that looks at it."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from adapters.nats.streams import EVENTS, WEBHOOKS
from infra.demo_shop.request import Target, prepare
from infra.demo_shop.sender import Sender
from infra.demo_shop.stream import Plan, deliveries
from services import SERVICES
from tests.conftest import Run, eventually
from tests.mesh.edge import Edge

CHROMIUM: Final = Path(os.environ.get("CHROMIUM") or "/usr/bin/chromium")
FLAGS: Final = (
    "--no-sandbox",  # Chromium refuses to run as root with it
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
ORDERS: Final = 200
PATIENCE: Final = 60_000
"""Milliseconds for anything to show up."""


@dataclass
class Seen:
    """A page, and what must not happen on it."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)


Look = Callable[..., AbstractAsyncContextManager[Seen]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    if not CHROMIUM.exists():
        reason = f"There is no browser at {CHROMIUM}; install chromium or set CHROMIUM."
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    expect.set_options(timeout=PATIENCE)
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield running
        await running.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shop(browser: Browser, run: Run) -> AsyncIterator[Edge]:
    """The demo shop after a few hundred orders, when every service has taken them in.

    It ends with its module: services whose loop stands still while other tests run in theirs
    would be given requests and never answer.
    """
    async with run(*SERVICES) as process:
        edge = Edge(process)
        target = Target(edge.world.settings.http_port, edge.secret.decode())
        plan = Plan(
            seed=7, run="web", orders=ORDERS, customers=80,
            now=datetime.now(UTC), span=timedelta(days=365),
        )  # fmt: skip
        report = await Sender(target, connections=8).send(prepare(deliveries(plan), target))
        assert not report.refused
        assert not report.given_up
        await eventually(lambda: behind(edge), lambda lag: lag == 0)
        yield edge
        await edge.http.aclose()


async def behind(edge: Edge) -> int:
    """Events that the services have not taken in yet."""
    lag = 0
    for stream in (WEBHOOKS, EVENTS):
        for info in await edge.world.js.consumers_info(stream):
            if info.name.startswith(tuple(SERVICES)):
                lag += (info.num_pending or 0) + (info.num_ack_pending or 0)
    return lag


@pytest.fixture(scope="module")
def look(browser: Browser, shop: Edge) -> Look:
    """``async with look(width=360) as seen`` opens the page and waits until it shows the shop;
    further arguments go to the browser's context."""

    @asynccontextmanager
    async def looking(width: int = 1280, height: int = 900, **options: Any) -> AsyncIterator[Seen]:
        context = await browser.new_context(
            viewport={"width": width, "height": height}, locale="en-US", **options
        )
        try:
            context.set_default_timeout(PATIENCE)
            seen = Seen(await context.new_page())
            origin = str(shop.http.base_url).rstrip("/")
            _watch(seen, context, origin)
            await seen.page.goto(f"{origin}/")
            await seen.page.locator("#rows tr[data-member] .points:not(:has(*))").first.wait_for()
            await seen.page.locator("#connection[data-state=live]").wait_for()
            yield seen
            assert seen.complaints == []
            assert seen.elsewhere == []
        finally:
            await context.close()

    return looking


def _watch(seen: Seen, context: BrowserContext, origin: str) -> None:
    seen.page.on("console", lambda said: seen.complaints.append(f"{said.type}: {said.text}"))
    seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    socket = origin.replace("http", "ws", 1)

    def check(url: str) -> None:
        if not url.startswith((f"{origin}/", f"{socket}/", "data:")):
            seen.elsewhere.append(url)

    context.on("request", lambda request: check(request.url))
    seen.page.on("websocket", lambda opened: check(opened.url))
