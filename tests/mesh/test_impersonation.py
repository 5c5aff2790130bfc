"""Acting as a shop's staff, end to end: with a reason, for half an hour, for all to see."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from adapters.postgres.connection import text
from adapters.postgres.tenancy import ACROSS_SHOPS
from contracts import auth, impersonations
from contracts.caller import Audience, Caller, service_caller
from contracts.shop import APP_UNINSTALLED, Uninstalled
from domain.errors import Forbidden, NotFound
from tests.conftest import Run, eventually
from tests.mesh.said import heard, mesh_of, register, say, world_of
from tests.mesh.staff import ADMIN, Colleague, House, house

REASON = "They asked why points are missing"
VISITS = "/v1/api/auth/impersonations"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(run: Run) -> AsyncIterator[House]:
    async with house(run, "roles", "core", "admin_core", "points") as open_house:
        yield open_house


async def begin(
    here: House, who: Colleague, merchant_id: UUID, role: str = "support", reason: str = REASON
) -> dict[str, Any]:
    body = {"merchant_id": str(merchant_id), "role": role, "reason": reason}
    answer = await here.post(f"{ADMIN}/impersonations", who.token, **body)
    assert answer.status_code == 201, answer.text
    begun: dict[str, Any] = answer.json()
    return begun


async def owner(here: House, merchant: auth.Merchant) -> str:
    request = auth.IssueDevelopmentToken(shop_domain=merchant.shop_domain, role="owner")
    mesh = mesh_of(here.process)
    token = await mesh.call(auth.ISSUE_DEVELOPMENT_TOKEN, request, service_caller("test"))
    return token.token


async def test_support_acts_for_a_shop_which_sees_it_and_shows_them_out(here: House) -> None:
    anna, merchant = await here.at_work("support"), await register(here.process)
    boss = await owner(here, merchant)
    begun = await begin(here, anna, merchant.merchant_id)
    session, token = begun["session"], begun["session"]["token"]
    left = datetime.fromisoformat(begun["ends_at"]) - datetime.now(UTC)
    assert timedelta(minutes=29) < left <= timedelta(minutes=30)
    for when in (session["expires_at"], session["refresh_expires_at"]):
        assert datetime.fromisoformat(when) <= datetime.fromisoformat(begun["ends_at"])

    # A token of that shop, in that role, which says who is behind it, and no more than that.
    asked = auth.ValidateToken(token=token)
    mesh = mesh_of(here.process)
    claims = await mesh.call(auth.VALIDATE_TOKEN, asked, service_caller("test"))
    assert (claims.audience, claims.merchant_id, claims.role, claims.impersonator) == (
        "merchant", merchant.merchant_id, "support", f"admin:{anna.admin_id}",
    )  # fmt: skip
    settings = "/v1/api/core/settings"
    await eventually(lambda: here.get(settings, token), lambda found: found.status_code == 200)
    assert (await here.get(VISITS, token)).status_code == 403
    assert (await here.get(f"{ADMIN}/impersonations", token)).status_code == 403
    refreshed = await here.post("/v1/api/auth/refresh", refresh_token=session["refresh_token"])
    assert refreshed.json()["refresh_expires_at"] <= begun["ends_at"]
    token = refreshed.json()["token"]

    # The shop sees who it is by function, why, and until when; another shop sees nothing.
    (visit,) = (await here.get(VISITS, boss)).json()["visits"]
    assert visit == {
        "impersonation_id": begun["impersonation_id"],
        "staff_name": "LoyalNest support",
        "role": "support",
        "reason": REASON,
        "started_at": visit["started_at"],
        "ends_at": begun["ends_at"],
        "ended_at": None,
        "ended_by": "",
    }
    other = await owner(here, await register(here.process))
    assert (await here.get(VISITS, other)).json()["visits"] == []
    which = {"impersonation_id": begun["impersonation_id"]}
    assert (await here.post(f"{VISITS}/end", other, **which)).status_code == 404
    assert (await here.get(settings, token)).status_code == 200

    ended = await here.post(f"{VISITS}/end", boss, **which)
    assert (ended.status_code, ended.json()["ended_by"]) == (200, "shop")
    await eventually(lambda: here.get(settings, token), lambda found: found.status_code == 401)
    again = await here.post("/v1/api/auth/refresh", refresh_token=refreshed.json()["refresh_token"])
    assert again.status_code == 401
    assert (await here.post(f"{VISITS}/end", boss, **which)).status_code == 404

    # On record, for the shop to read.
    records = await eventually(lambda: _records(here, boss), lambda found: len(found) >= 2)
    assert [(each["action"], each["actor"], each["subject"]) for each in records] == [
        ("impersonation.ended", "staff:development", f"impersonation:{visit['impersonation_id']}"),
        ("impersonation.started", f"admin:{anna.admin_id}",
         f"impersonation:{visit['impersonation_id']}"),
    ]  # fmt: skip
    assert REASON in records[1]["details"]


async def test_what_is_done_meanwhile_leads_to_the_reason(here: House) -> None:
    root, merchant = await here.at_work(), await register(here.process)
    begun = await begin(here, root, merchant.merchant_id, role="owner")
    token = begun["session"]["token"]
    path = "/v1/api/roles/create"
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k"}
    body = {"name": "clerk", "permissions": ["points:read"]}
    made = await eventually(
        lambda: here.http.post(path, json=body, headers=headers),
        lambda answer: answer.status_code == 201,
    )
    assert made.status_code == 201
    boss = await owner(here, merchant)
    (record,) = await eventually(lambda: _records(here, boss, "role.created", "clerk"))
    who = f"impersonation:{begun['impersonation_id']} via admin:{root.admin_id}"
    assert record["actor"] == f"staff:{who}"
    # Who acts as the owner and ends it is still LoyalNest's staff.
    which = {"impersonation_id": begun["impersonation_id"]}
    ended = await here.post(f"{VISITS}/end", token, **which)
    assert ended.json()["ended_by"] == "staff"


async def test_logging_out_ends_it_on_record(here: House) -> None:
    root, merchant = await here.at_work(), await register(here.process)
    begun = await begin(here, root, merchant.merchant_id, role="owner")
    token, boss = begun["session"]["token"], await owner(here, merchant)
    said = await heard(here.process, impersonations.IMPERSONATION_ENDED, merchant.merchant_id)
    out = await here.post("/v1/api/auth/logout", token)
    assert (out.status_code, out.json()["sessions"]) == (200, 1)
    (visit,) = (await here.get(VISITS, boss)).json()["visits"]
    assert visit["ended_by"] == "staff"
    assert datetime.fromisoformat(visit["ended_at"]) <= datetime.now(UTC)
    await eventually(lambda: here.get(VISITS, token), lambda found: found.status_code == 401)
    (told,) = await eventually(lambda: _all(said))
    assert told.ended_by == "staff"
    # Others who log out end nothing of it.
    again = await begin(here, root, merchant.merchant_id, role="owner")
    assert (await here.post("/v1/api/auth/logout", boss)).status_code == 200
    newest = (await here.get(VISITS, await owner(here, merchant))).json()["visits"][0]
    assert (newest["impersonation_id"], newest["ended_by"]) == (again["impersonation_id"], "")


async def test_when_the_time_is_over_it_is_on_record(here: House) -> None:
    anna, merchant = await here.at_work("support"), await register(here.process)
    said = await heard(here.process, impersonations.IMPERSONATION_ENDED, merchant.merchant_id)
    begun = await begin(here, anna, merchant.merchant_id)
    over = datetime.now(UTC)
    async with world_of(here.process).database("auth").transaction(ACROSS_SHOPS) as connection:
        one, subject = begun["impersonation_id"], f"impersonation:{begun['impersonation_id']}"
        await connection.execute(
            text("UPDATE impersonation_sessions SET ends_at = :over WHERE impersonation_id = :one"),
            {"over": over, "one": UUID(one)},
        )
        await connection.execute(
            text("UPDATE sessions SET ends_at = :over, expires_at = :over WHERE subject = :who"),
            {"over": over, "who": subject},
        )
    (body,) = await eventually(lambda: _all(said))
    assert (str(body.impersonation_id), body.ended_by) == (begun["impersonation_id"], "time")
    refreshed = await here.post(
        "/v1/api/auth/refresh", refresh_token=begun["session"]["refresh_token"]
    )
    assert refreshed.status_code == 401
    which = {"impersonation_id": begun["impersonation_id"]}
    late = await here.post(f"{ADMIN}/impersonations/end", anna.token, **which)
    assert late.status_code == 404
    page = await here.get(
        f"{ADMIN}/impersonations", anna.token, merchant_id=str(merchant.merchant_id)
    )
    (listed,) = page.json()["impersonations"]
    assert datetime.fromisoformat(listed["ended_at"]) == over


async def test_who_may_not_and_where_not(here: House) -> None:
    support, analyst = await here.at_work("support"), await here.at_work("analyst")
    merchant = await register(here.process)
    path = f"{ADMIN}/impersonations"
    fine = {"merchant_id": str(merchant.merchant_id), "role": "viewer", "reason": REASON}

    async def refused(who: Colleague, **changes: str) -> tuple[int, str]:
        answer = await here.post(path, who.token, **fine | changes)
        return answer.status_code, answer.json().get("code", "")

    assert await refused(analyst) == (403, "FORBIDDEN")
    for role in ("owner", "manager", "customer", "clerk"):
        assert await refused(support, role=role) == (403, "CANNOT_IMPERSONATE")
    assert await refused(support, reason="because") == (400, "INVALID_REQUEST")
    assert await refused(support, merchant_id=str(uuid4())) == (404, "NOT_FOUND")
    everything = Caller(
        audience=Audience.MERCHANT, actor="a", merchant_id=merchant.merchant_id,
        permissions=("admin:full", "admin:support"),
    )  # fmt: skip
    request = impersonations.StartImpersonation(
        merchant_id=merchant.merchant_id, role="viewer", reason=REASON
    )
    with pytest.raises(Forbidden):
        await mesh_of(here.process).call(impersonations.START_IMPERSONATION, request, everything)

    begun = await begin(here, support, merchant.merchant_id)
    await say(
        here.process, APP_UNINSTALLED, Uninstalled(shop_domain=merchant.shop_domain),
        merchant.merchant_id, at=datetime.now(UTC),
    )  # fmt: skip
    await eventually(lambda: refused(support), lambda answer: answer == (422, "SHOP_NOT_ACTIVE"))
    sessions = "/v1/api/auth/sessions"
    token = begun["session"]["token"]
    await eventually(lambda: here.get(sessions, token), lambda found: found.status_code == 401)


async def test_who_is_shut_out_is_shown_out_everywhere(here: House) -> None:
    boss, anna = await here.at_work(), await here.at_work("support")
    merchant = await register(here.process)
    said = await heard(here.process, impersonations.IMPERSONATION_ENDED, merchant.merchant_id)
    begun = [await begin(here, anna, merchant.merchant_id) for _ in range(2)]
    await here.post(f"{ADMIN}/admins/disable", boss.token, admin_id=str(anna.admin_id))
    bodies = await eventually(lambda: _all(said), lambda found: len(found) == 2)
    assert {each.ended_by for each in bodies} == {"staff"}
    for each in begun:
        headers = {"Authorization": f"Bearer {each['session']['token']}"}
        ask = partial(here.http.get, "/v1/api/auth/sessions", headers=headers)
        await eventually(ask, lambda found: found.status_code == 401)


async def test_nobody_slips_into_a_shop_while_being_shut_out(here: House) -> None:
    boss, anna = await here.at_work(), await here.at_work("support")
    merchant = await register(here.process)
    body = {"merchant_id": str(merchant.merchant_id), "role": "viewer", "reason": REASON}
    path = f"{ADMIN}/impersonations"
    answers = await asyncio.gather(
        *(here.post(path, anna.token, **body) for _ in range(2)),
        here.post(f"{ADMIN}/admins/disable", boss.token, admin_id=str(anna.admin_id)),
        *(here.post(path, anna.token, **body) for _ in range(2)),
    )
    assert answers.pop(2).status_code == 200
    for answer in answers:
        assert answer.status_code in (201, 401, 403, 404), answer.text
        if answer.status_code == 201:
            headers = {"Authorization": f"Bearer {answer.json()['session']['token']}"}
            ask = partial(here.http.get, "/v1/api/auth/sessions", headers=headers)
            await eventually(ask, lambda found: found.status_code == 401)
    page = await here.get(path, boss.token, merchant_id=str(merchant.merchant_id))
    assert all(each["ended_by"] == "staff" for each in page.json()["impersonations"])


async def test_of_two_who_end_it_one_does(here: House) -> None:
    anna, merchant = await here.at_work("support"), await register(here.process)
    begun = await begin(here, anna, merchant.merchant_id)
    said = await heard(here.process, impersonations.IMPERSONATION_ENDED, merchant.merchant_id)
    request = impersonations.ImpersonationNamed(impersonation_id=UUID(begun["impersonation_id"]))
    shop = Caller(
        audience=Audience.MERCHANT, actor="a", merchant_id=merchant.merchant_id,
        permissions=("settings:write",),
    )  # fmt: skip
    staff = Caller(
        audience=Audience.ADMIN, actor=str(anna.admin_id), permissions=("admin:support",)
    )
    mesh = mesh_of(here.process)
    answers = await asyncio.gather(
        *(mesh.call(impersonations.END_VISIT, request, shop) for _ in range(3)),
        *(mesh.call(impersonations.END_IMPERSONATION, request, staff) for _ in range(3)),
        return_exceptions=True,
    )
    assert Counter(isinstance(each, NotFound) for each in answers) == {True: 5, False: 1}
    await eventually(lambda: _all(said))
    assert len(said) == 1


async def _all(bodies: list[Any]) -> list[Any]:
    return list(bodies)


async def _records(
    here: House, token: str, action: str = "", about: str = ""
) -> list[dict[str, str]]:
    """What the audit log has, of impersonations unless it says what."""
    page = (await here.get("/v1/api/audit", token)).json()
    wanted = {action} if action else {"impersonation.started", "impersonation.ended"}
    return [
        each
        for each in page.get("records", [])
        if each["action"] in wanted and about in each["details"]
    ]
