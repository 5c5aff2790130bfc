"""The description of the API in a real browser: whole, usable, and under a strict policy."""

import json
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from contracts.registry import REGISTRY
from tests.conftest import Run, eventually
from tests.mesh.edge import Edge, shopify_order
from tests.web.conftest import PATIENCE

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def edge(run: Run) -> AsyncIterator[Edge]:
    async with run("api_gateway", "auth", "roles", "points") as process:
        one = Edge(process)
        token = await one.token()
        await one.deliver("orders/create", shopify_order(5001, 501))
        await eventually(
            lambda: one.get("/v1/api/points/balance", token, shopify_customer_id="501"),
            lambda answer: answer.status_code == 200,
        )
        yield one
        await one.http.aclose()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, edge: Edge) -> AsyncIterator[Page]:
    """The page, which must ask for nothing elsewhere and complain of nothing."""
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE)
    origin = str(edge.http.base_url).rstrip("/")
    complaints: list[str] = []
    asked: list[str] = []
    one = await context.new_page()
    one.on("console", lambda said: complaints.append(said.text))
    one.on("pageerror", lambda error: complaints.append(str(error)))
    context.on("request", lambda request: asked.append(request.url))
    await one.goto(f"{origin}/docs")
    await one.locator("nav li").first.wait_for()
    yield one
    assert [url for url in asked if not url.startswith((f"{origin}/", "data:"))] == []
    # What a browser says of an answer that is no 2xx is no complaint of the page's.
    assert [each for each in complaints if "status of 4" not in each] == []
    await context.close()


async def test_every_operation_is_there_and_can_be_found(page: Page) -> None:
    bound = [name for name, each in REGISTRY.operations.items() if each.http is not None]
    links = page.locator("nav li a")
    hrefs = await links.evaluate_all("links => links.map((each) => each.hash.slice(1))")
    assert sorted(hrefs) == sorted([*bound, "webhooks"])
    await page.fill("#filter", "points adjust")
    await expect(links).to_have_count(1)
    await links.first.click()
    await expect(page.locator("main h2")).to_have_text("Give or take points by hand.")
    await expect(links.first).to_have_attribute("aria-current", "page")


async def test_an_operation_is_tried_and_says_all_that_came_back(page: Page, edge: Edge) -> None:
    await page.goto(f"{edge.http.base_url}/docs#points.v1.GetPointsBalance")
    await page.fill("#parameter-shopify_customer_id", "501")
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator(".status")).to_have_text("401 Unauthorized")
    await page.fill("#token", await edge.token())
    await page.fill("#parameter-shopify_customer_id", "501")
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator(".status")).to_have_text("200 OK")
    await expect(page.get_by_label("The answer", exact=True)).to_contain_text('"spendable": 100')
    await expect(page.get_by_label("Headers of the answer")).to_contain_text("ratelimit-policy")
    command = page.get_by_label("As a command", exact=True)
    await expect(command).to_contain_text("shopify_customer_id=501")
    await expect(command).to_contain_text("Bearer $token")


async def test_a_form_changes_something_once(page: Page, edge: Edge) -> None:
    token = await edge.token()
    member = await edge.get("/v1/api/points/balance", token, shopify_customer_id="501")
    await page.goto(f"{edge.http.base_url}/docs#points.v1.AdjustPoints")
    await page.fill("#token", token)
    body = page.get_by_label("Body as JSON")
    await body.wait_for()
    wanted = {"customer_id": member.json()["customer_id"], "points": 5, "reason": "sorry"}
    await body.fill(json.dumps(wanted))
    assert UUID(await page.locator("#parameter-Idempotency-Key").input_value())
    for _ in range(2):
        await page.get_by_role("button", name="Send").click()
        await expect(page.locator(".status")).to_have_text("200 OK")
    await expect(page.get_by_label("The answer", exact=True)).to_contain_text('"spendable": 105')
    await body.fill('{"points": 1}')
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator(".status")).to_have_text("400 Bad Request")
    await expect(page.get_by_label("The answer", exact=True)).to_contain_text("/customer_id")


async def test_documents_are_served_whole_and_remembered(edge: Edge) -> None:
    for path, version in (
        ("/schema", ("openapi", "3.1.0")),
        ("/schema/openapi.json", ("openapi", "3.1.0")),
        ("/schema/asyncapi.json", ("asyncapi", "3.0.0")),
    ):
        answer = await edge.get(path)
        assert answer.json()[version[0]] == version[1]
        assert answer.headers["content-type"] == "application/json"
        again = await edge.http.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    page = await edge.get("/docs")
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "http" not in policy
    assert (await edge.get("/docs/nothing.js")).status_code == 404
    assert (await edge.get("/docs/..%2fwiring.py")).status_code == 404
