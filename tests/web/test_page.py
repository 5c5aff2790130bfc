"""The page of the shop in a real browser, over all services and a seeded shop."""

import re
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
from playwright.async_api import Page, Route, WebSocketRoute, expect

from tests.conftest import eventually
from tests.mesh.edge import Edge, shopify_order
from tests.web.conftest import Look

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


async def number_in(page: Page, selector: str) -> int:
    text = await page.locator(selector).inner_text()
    return int(re.sub(r"[^\d-]", "", text.replace("−", "-")))


async def ask(shop: Edge, path: str, **parameters: str) -> dict[str, Any]:
    answer = await shop.get(path, await shop.token("analyst"), **parameters)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def order_now(shop: Edge, customer: int, subtotal: str) -> None:
    """A signed order of this moment, from a customer the shop has not seen before."""
    now = datetime.now(UTC).isoformat()
    number = uuid4().int % 10**12
    body = shopify_order(
        number,
        customer,
        created_at=now,
        processed_at=now,
        updated_at=now,
        subtotal_price=subtotal,
        total_price=subtotal,
        shipping_lines=[],
        customer={"id": customer, "first_name": "Ada", "last_name": "Lovelace"},
        line_items=[
            {
                "id": number * 10,
                "product_id": 1,
                "quantity": 1,
                "price": subtotal,
                "gift_card": False,
                "discount_allocations": [],
            }
        ],
    )
    answer = await shop.deliver("orders/create", body)
    assert answer.status_code == 200, answer.text


async def test_members_are_shown_with_what_the_services_say(shop: Edge, look: Look) -> None:
    members = (await ask(shop, "/v1/api/core/members", limit="25"))["members"]
    async with look() as seen:
        page = seen.page
        await expect(page.locator("#shop")).to_have_text("Demo Store")
        rows = page.locator("#rows tr[data-member]")
        await expect(rows).to_have_count(len(members))
        for index in (0, 1, len(members) - 1):
            row, member = rows.nth(index), members[index]
            assert await row.get_attribute("data-member") == member["customer_id"]
            balance = await ask(shop, "/v1/api/points/balance", customer_id=member["customer_id"])
            points = f"{balance['spendable']:,}".replace("-", "−")
            await expect(row.locator(".points")).to_have_text(points)
            await expect(row.locator("td").nth(4)).to_have_text(str(member["orders"]))
            await expect(row.locator("td").nth(5)).to_contain_text("$")
            await expect(row.locator("td").nth(3)).to_have_text(member["tier"] or "–")
        usage = await ask(shop, "/v1/api/core/usage")
        assert await number_in(page, "#n-members") == usage["members"]
        assert await number_in(page, "#n-orders") == usage["orders"]
        # Names come sealed from the webhooks and are opened for this page only.
        await expect(page.locator("#rows .name").first).not_to_contain_text("Member …")


async def test_the_list_goes_on(look: Look) -> None:
    async with look() as seen:
        rows = seen.page.locator("#rows tr[data-member]")
        assert await rows.count() == 25
        await seen.page.locator("#more").click()
        await expect(rows).to_have_count(50)
        ids = await rows.evaluate_all("all => all.map(row => row.dataset.member)")
        assert len(set(ids)) == 50


async def test_the_chart_adds_up_and_filters(shop: Edge, look: Look) -> None:
    counts = await ask(shop, "/v1/api/rfm/segments")
    async with look() as seen:
        page = seen.page
        shown = await page.locator(".segment").evaluate_all(
            "all => Object.fromEntries(all.map(each => [each.dataset.segment,"
            " Number(each.querySelector('.segment-count').textContent.replace(/\\D/g, ''))]))"
        )
        assert shown == {each["segment"]: each["members"] for each in counts["segments"]}
        assert len(shown) == 11
        assert sum(shown.values()) == counts["members"]

        chosen = max(shown, key=lambda each: (0 < shown[each] <= 25, shown[each]))
        bar = page.locator(f".segment[data-segment={chosen}]")
        await bar.focus()
        await page.keyboard.press("Enter")
        await expect(bar).to_have_attribute("aria-pressed", "true")
        rows = page.locator("#rows tr[data-member]")
        await expect(rows).to_have_count(min(shown[chosen], 25))
        name = await bar.locator(".segment-name").inner_text()
        texts = await rows.locator("td:nth-child(3)").all_inner_texts()
        assert {text.strip() for text in texts} == {name}
        assert await page.locator("#filter-segment").input_value() == chosen

        await page.locator("#filter-clear").click()
        await expect(rows).to_have_count(25)
        await expect(bar).to_have_attribute("aria-pressed", "false")


async def test_an_order_shows_up_by_itself(shop: Edge, look: Look) -> None:
    customer = uuid4().int % 10**12
    async with look() as seen:
        page = seen.page
        orders = await number_in(page, "#n-orders")
        await order_now(shop, customer, "123.00")
        line = page.locator("#feed li", has_text="123 points with an order")
        await expect(line).to_be_visible()
        member = await line.locator("[data-person]").get_attribute("data-person")
        # The list learns of its new member, and the numbers of the order.
        row = page.locator(f"#rows tr[data-member='{member}']")
        await expect(row.locator(".points")).to_have_text("123")
        await expect(row.locator(".name")).to_have_text("Ada Lovelace")
        await eventually(lambda: number_in(page, "#n-orders"), lambda now: now == orders + 1)
        assert await number_in(page, "#n-points") >= 123

        await order_now(shop, customer, "77.00")
        await expect(row.locator(".points")).to_have_text("200")  # in place, by the stream
        await expect(row).to_have_class(re.compile("changed"))
        await expect(row.locator("td").nth(4)).to_have_text("2")


async def test_who_is_not_known_yet_is_named_a_moment_later(shop: Edge, look: Look) -> None:
    async with look() as seen:
        page = seen.page
        asked = 0

        async def know_nobody_twice(route: Route) -> None:
            nonlocal asked
            asked += 1
            if asked == 1:
                await route.fulfill(json={"users": []})
            elif asked == 2:
                await route.fulfill(status=503, json={"status": 503, "detail": "Away."})
            else:
                await route.continue_()

        await page.route("**/v1/api/users/batch", know_nobody_twice)
        await page.reload()
        name = page.locator("#rows .name").first
        await expect(name).to_have_text(re.compile("^Member …"))
        await expect(name).not_to_have_text(re.compile("^Member …"), timeout=30_000)
        assert asked > 2
        seen.complaints.clear()  # the browser's own line about the 503


async def test_paused_means_still(shop: Edge, look: Look) -> None:
    async with look() as seen:
        page = seen.page
        await page.locator("#pause").click()
        await order_now(shop, uuid4().int % 10**12, "31.00")
        await expect(page.locator("#feed-note")).to_contain_text(
            re.compile(r"Paused\. \d+ events? since")
        )
        assert await page.locator("#feed li").count() == 0
        await page.locator("#pause").click()
        await expect(page.locator("#feed li", has_text="31 points")).to_be_visible()


async def test_a_member_opens_by_keyboard(look: Look) -> None:
    async with look() as seen:
        page = seen.page
        name = page.locator("#rows .name").first
        await name.focus()
        await page.keyboard.press("Enter")
        dialog = page.locator("#member")
        await expect(dialog).to_be_visible()
        await expect(dialog.locator(".history li").first).to_contain_text(re.compile(r"[+−]\d"))
        titles = await dialog.locator("h3").all_inner_texts()
        assert titles == ["Points", "Tier", "Orders", "Badges", "History of points"]
        await expect(dialog.locator(".failure")).to_have_count(0)
        assert await dialog.evaluate("dialog => dialog.contains(document.activeElement)")
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        await expect(name).to_be_focused()


async def test_the_stream_comes_back_and_nothing_is_missing(shop: Edge, look: Look) -> None:
    async with look() as seen:
        page = seen.page
        sockets: list[WebSocketRoute] = []

        async def pass_on(socket: WebSocketRoute) -> None:
            sockets.append(socket)
            if len(sockets) == 2:
                await socket.close(code=1012)  # not yet: the page must try a third time
            else:
                socket.connect_to_server()

        await page.route_web_socket("**/api/points/stream*", pass_on)
        await page.reload()
        await expect(page.locator("#connection")).to_have_text("Live")
        customer = uuid4().int % 10**12
        await order_now(shop, customer, "40.00")
        line = page.locator("#feed li", has_text="40 points with an order")
        member = await line.locator("[data-person]").get_attribute("data-person")
        row = page.locator(f"#rows tr[data-member='{member}']")
        await expect(row.locator(".points")).to_have_text("40")

        await sockets[0].close(code=1012)
        await expect(page.locator("#connection")).to_have_text("Reconnecting")
        await order_now(shop, customer, "60.00")
        await expect(page.locator("#connection")).to_have_text("Live")
        assert len(sockets) == 3
        await expect(row.locator(".points")).to_have_text("100")
        # What happened while it was closed is told once, like the rest.
        told = page.locator(f"#feed li:has([data-person='{member}'])")
        missed = told.filter(has_text="60 points with an order")
        await expect(missed).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_texts_have_contrast_and_controls_have_names(look: Look, scheme: str) -> None:
    async with look(color_scheme=scheme, reduced_motion="reduce") as seen:
        page = seen.page
        await page.locator("#rows .name").first.click()
        await expect(page.locator("#member .history li").first).to_be_visible()
        assert await page.evaluate(LOW_CONTRAST) == []
        await page.keyboard.press("Escape")
        assert await page.evaluate(LOW_CONTRAST) == []
        assert await page.evaluate(NAMELESS) == []
        levels = await page.locator("h1, h2, h3").evaluate_all(
            "all => all.filter(each => each.checkVisibility()).map(each => +each.tagName[1])"
        )
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))
        assert await page.locator("html").get_attribute("lang") == "en"
        assert await page.locator("main").count() == 1
        ids = await page.evaluate("[...document.querySelectorAll('[id]')].map(each => each.id)")
        assert len(ids) == len(set(ids))


async def test_it_fits_a_phone(look: Look) -> None:
    async with look(width=360, height=740, has_touch=True) as seen:
        page = seen.page
        wide = "[document.documentElement.scrollWidth, innerWidth]"
        assert await page.evaluate(wide) == [360, 360]
        await page.locator("#rows .name").first.tap()
        await expect(page.locator("#member .history li").first).to_be_visible()
        assert await page.evaluate(wide) == [360, 360]
        assert await page.evaluate("member.scrollWidth <= member.clientWidth")


async def test_nothing_jumps_while_it_loads(look: Look) -> None:
    async with look() as seen:
        shift = await seen.page.evaluate(
            "new Promise(tell => { let sum = 0; new PerformanceObserver(list => {"
            " for (const each of list.getEntries()) if (!each.hadRecentInput) sum += each.value;"
            " }).observe({type: 'layout-shift', buffered: true});"
            " requestAnimationFrame(() => requestAnimationFrame(() => tell(sum))); })"
        )
        assert shift < 0.1


async def test_without_the_demo_a_token_is_asked_for(shop: Edge, look: Look) -> None:
    async with look() as seen:
        page = seen.page

        async def refuse(route: Route) -> None:
            await route.fulfill(status=403, json={"status": 403, "detail": "Off."})

        await page.route("**/v1/api/auth/demo", refuse)
        await page.reload()
        await expect(page.locator("#entrance")).to_be_visible()
        await expect(page.locator("#entrance")).to_contain_text("loyalnest token")
        await page.locator("#token").fill(await shop.token("analyst"))
        await page.keyboard.press("Enter")
        await expect(page.locator("#rows .points:not(:has(*))").first).to_be_visible()
        await expect(page.locator("#entrance")).to_be_hidden()
        await expect(page.locator("#connection")).to_have_text("Live")
        assert all("403" in each for each in seen.complaints)  # the browser's own line
        seen.complaints.clear()


async def test_a_part_that_fails_says_so_and_comes_back(look: Look) -> None:
    async with look() as seen:
        page = seen.page

        async def fail(route: Route) -> None:
            await route.fulfill(status=503, json={"status": 503, "detail": "Away for a moment."})

        await page.route("**/v1/api/core/members*", fail)
        await page.reload()
        state = page.locator("#members-state")
        await expect(state).to_contain_text("Away for a moment.")
        await expect(page.locator("#n-members")).to_have_text(re.compile(r"\d"))
        await page.unroute("**/v1/api/core/members*")
        await state.get_by_role("button", name="Try again").click()
        await expect(page.locator("#rows .points:not(:has(*))").first).to_be_visible()
        seen.complaints.clear()


NAMELESS = """
[...document.querySelectorAll("button, a[href], input, select, progress, [role=region], dialog")]
  .filter(each => {
    const by = (each.getAttribute("aria-labelledby") ?? "").split(" ")
      .map(id => document.getElementById(id)?.textContent ?? "").join("");
    const labels = [...(each.labels ?? [])].map(label => label.textContent).join("");
    const name = each.getAttribute("aria-label") || by || labels || each.textContent;
    return !name.trim();
  })
  .map(each => each.outerHTML.slice(0, 120))
"""

LOW_CONTRAST = """
(() => {
  const channels = (colour) => {
    const parts = colour.match(/[\\d.]+/g).map(Number);
    return { rgb: parts.slice(0, 3), alpha: parts[3] ?? 1 };
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map(each => each / 255)
      .map(each => (each <= 0.03928 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    const layers = [];
    for (let each = element; each; each = each.parentElement) {
      const { rgb, alpha } = channels(getComputedStyle(each).backgroundColor);
      if (alpha > 0) layers.push({ rgb, alpha });
      if (alpha === 1) break;
    }
    let below = [255, 255, 255];
    for (const { rgb, alpha } of layers.reverse()) {
      below = rgb.map((each, index) => each * alpha + below[index] * (1 - alpha));
    }
    return below;
  };
  const found = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
    if (element.closest("noscript, script")) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(channels(style.color).rgb), light(ground(element))].sort((x, y) => y - x);
    const large = parseFloat(style.fontSize) >= 24;
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (large ? 3 : 4.5)) found.add(`${element.className}: ${ratio.toFixed(2)}`);
  }
  return [...found];
})()
"""
