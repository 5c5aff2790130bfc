"""The page and its parts, over the mesh and through the gateway, and what the page asks for."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from adapters.files import MEDIA_TYPES, PackageFiles
from contracts import frontend
from contracts.auth import VALIDATE_MERCHANT, ValidateMerchant
from contracts.caller import ANYONE, service_caller
from contracts.shop import member_id
from domain.errors import InvalidRequest, NotFound
from tests.conftest import Run, eventually
from tests.mesh.edge import SHOP, Edge, shopify_order
from tests.mesh.said import mesh_of


@pytest.fixture
async def edge(run: Run) -> AsyncIterator[Edge]:
    async with run("api_gateway", "auth", "roles", "points", "frontend") as process:
        one = Edge(process)
        yield one
        await one.http.aclose()


async def test_the_page_and_all_it_names_come_over_the_mesh(run: Run) -> None:
    async with run("frontend") as process:
        mesh = mesh_of(process)
        page = await mesh.call(frontend.GET_PAGE, frontend.GetPage(), ANYONE)
        assert page.media_type == "text/html"
        html = page.content.decode()
        assert html.startswith("<!doctype html>")
        names = set(re.findall(r'(?:src|href)="/frontend/([^"]+)"', html))
        assert {"app.js", "page.css", "icon.svg"} <= names
        for name in sorted(names):
            for path in (name, f"/{name}"):
                part = await mesh.call(frontend.GET_ASSET, frontend.GetAsset(path=path), ANYONE)
                assert part.content
                assert part.media_type == MEDIA_TYPES[name.rpartition(".")[2]]
                assert re.fullmatch(r'"[0-9a-f]{32}"', part.etag)


def test_every_module_is_known_to_the_page() -> None:
    """The page names them all, so that the browser fetches them at once and not one by one."""
    files = PackageFiles("services.frontend", "page")
    page = files.find("index.html")
    assert page is not None
    imported, left = set(), ["app.js"]
    while left:
        module = files.find(left.pop())
        assert module is not None
        for name in re.findall(r'from "\./([^"]+)"', module.content.decode()):
            if name not in imported:
                imported.add(name)
                left.append(name)
    told = re.findall(r'rel="modulepreload" href="/frontend/([^"]+)"', page.content.decode())
    assert sorted(told) == sorted(imported)


def test_nothing_on_the_page_comes_from_elsewhere_or_is_inline() -> None:
    """The gateway's content security policy would refuse it."""
    page = PackageFiles("services.frontend", "page").find("index.html")
    assert page is not None
    html = page.content.decode()
    assert not re.search(r'(?:src|href)="(?!/frontend/|#)', html)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", html)


@pytest.mark.parametrize(
    "path",
    [
        "nothing.js",
        "",
        "/",
        "../wiring.py",
        "page/../wiring.py",
        "..%2fwiring.py",
        "/etc/passwd",
        "app.js/../../wiring.py",
    ],
)
async def test_what_is_no_part_is_not_found(edge: Edge, path: str) -> None:
    mesh = edge.world.mesh
    with pytest.raises(NotFound):
        await mesh.call(frontend.GET_ASSET, frontend.GetAsset(path=path), ANYONE)
    if path:
        # Sent as it is: a client that tidies the path up would test itself.
        url = httpx.URL(str(edge.http.base_url)).copy_with(raw_path=f"/frontend/{path}".encode())
        answer = await edge.http.get(url)
        assert answer.status_code == 404, path


async def test_a_path_with_nul_in_it_is_refused(edge: Edge) -> None:
    with pytest.raises(InvalidRequest):
        await edge.world.mesh.call(frontend.GET_ASSET, frontend.GetAsset(path="app.js\x00"), ANYONE)


async def test_a_browser_that_has_it_gets_304(edge: Edge) -> None:
    for path in ("/", "/frontend/app.js"):
        first = await edge.http.get(path)
        assert first.status_code == 200
        assert first.headers["cache-control"] == "no-cache"
        assert "default-src 'self'" in first.headers["content-security-policy"]
        again = await edge.http.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        other = await edge.http.get(path, headers={"If-None-Match": '"another"'})
        assert other.content == first.content


async def test_the_page_learns_whose_shop_it_shows(edge: Edge) -> None:
    assert (await edge.get("/v1/api/frontend/shop")).status_code == 401
    answer = await edge.get("/v1/api/frontend/shop", await edge.token("analyst"))
    assert (answer.status_code, answer.json()["shop_domain"]) == (200, SHOP)
    assert set(answer.json()) == {"shop_domain", "status", "currency", "time_zone"}


async def test_one_request_has_the_points_of_a_page_of_members(edge: Edge) -> None:
    merchant = await edge.world.mesh.call(
        VALIDATE_MERCHANT, ValidateMerchant(shop_domain=SHOP), service_caller("test")
    )
    ids = [str(member_id(merchant.merchant_id, each)) for each in ("8801", "8802", "8803")]
    for number, customer in enumerate((8801, 8802)):
        await edge.deliver("orders/create", shopify_order(880 + number, customer))

    async def points(token: str) -> dict[str, int]:
        answer = await edge.http.post(
            "/v1/api/points/balances",
            json={"customer_ids": ids},
            headers={"Authorization": f"Bearer {token}"},
        )
        assert answer.status_code == 200
        return {each["customer_id"]: each["spendable"] for each in answer.json()["balances"]}

    staff = await edge.token("analyst")
    expected = {ids[0]: 100, ids[1]: 100}
    await eventually(lambda: points(staff), lambda found: found == expected)
    # A member's token holds points:read too, and still sees nobody else's.
    assert await points(await edge.token("customer", "8801")) == {ids[0]: 100}
