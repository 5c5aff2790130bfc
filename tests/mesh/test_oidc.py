"""Log-in of an admin at an identity provider, over the gateway: its word and our second factor."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from tests.adapters.oidc.issuer import CLIENT_ID, CLIENT_SECRET, Issuer, browse, issuer
from tests.conftest import Run
from tests.mesh.staff import ADMIN, House, house, refusal

REFUSED = (401, "LOG_IN_REFUSED")
BEGIN, FINISH = f"{ADMIN}/auth/oidc/begin", f"{ADMIN}/auth/oidc/finish"


@asynccontextmanager
async def both_of(run: Run) -> AsyncIterator[tuple[House, Issuer]]:
    with issuer() as there:
        settings = {
            "oidc_issuer": there.url,
            "oidc_client_id": CLIENT_ID,
            "oidc_client_secret": CLIENT_SECRET,
        }
        async with house(run, **settings) as here:
            yield here, there


async def came_back(here: House, there: Issuer, **claims: Any) -> dict[str, str]:
    """What a browser has after its trip to the provider."""
    there.claims = claims
    begun = (await here.post(BEGIN)).json()
    sent_back = await browse(begun["address"])
    where = urlsplit(sent_back.headers["location"])
    assert where.path == "/admin/oidc"
    query = {name: values[0] for name, values in parse_qs(where.query).items()}
    return {"errand": begun["errand"], "state": query["state"], "code": query["code"]}


async def test_the_providers_word_and_our_second_factor(run: Run) -> None:
    async with both_of(run) as (here, there):
        anna = await here.hire("support")
        back = await came_back(here, there, email=anna.email.upper())
        challenge = await here.post(FINISH, **back)
        assert challenge.json()["step"] == "code"
        # The word alone opens nothing, and counts once.
        assert (
            await here.get(f"{ADMIN}/impersonations", challenge.json()["challenge"])
        ).status_code == 401
        assert refusal(await here.post(FINISH, **back)) == REFUSED
        given = await here.second(challenge.json()["challenge"], anna.app.code())
        token = given.json()["session"]["token"]
        assert (await here.get(f"{ADMIN}/impersonations", token)).status_code == 200


async def test_nobody_becomes_an_admin_by_it(run: Run) -> None:
    async with both_of(run) as (here, there):
        boss, gone = await here.at_work(), await here.hire("support")
        before = len((await here.get(f"{ADMIN}/admins", boss.token, limit=250)).json()["admins"])
        await here.post(f"{ADMIN}/admins/disable", boss.token, admin_id=str(gone.admin_id))
        for claims in (
            {"email": f"{uuid4().hex}@staff.example"},
            {"email": gone.email},
            {"email": boss.email, "email_verified": False},
            {"email": boss.email, "aud": "somebody else"},
            {"email": boss.email, "nonce": "another"},
        ):
            back = await came_back(here, there, **claims)
            assert refusal(await here.post(FINISH, **back)) == REFUSED, claims
        after = await here.get(f"{ADMIN}/admins", boss.token, limit=250)
        assert len(after.json()["admins"]) == before


async def test_one_browser_cannot_finish_for_another(run: Run) -> None:
    async with both_of(run) as (here, there):
        boss = await here.hire()
        mine = await came_back(here, there, email=boss.email)
        theirs = await came_back(here, there, email=boss.email)
        for mixed in (
            mine | {"errand": theirs["errand"]},
            mine | {"state": theirs["state"]},
            mine | {"state": ""},
            mine | {"errand": "x" * 64},
            # A code of another trip was made for another verifier and nonce.
            mine | {"code": theirs["code"]},
        ):
            assert refusal(await here.post(FINISH, **mixed)) == REFUSED


async def test_without_one_there_is_none(run: Run) -> None:
    async with house(run) as here:
        assert refusal(await here.post(BEGIN)) == (404, "NOT_FOUND")
        answer = await here.post(FINISH, errand="e", state="s", code="c")
        assert refusal(answer) == (404, "NOT_FOUND")


async def test_one_that_is_away_is_said_to_be_away(run: Run) -> None:
    settings = {
        "oidc_issuer": "http://127.0.0.1:9",
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": CLIENT_SECRET,
    }
    async with house(run, **settings) as here:
        assert refusal(await here.post(BEGIN)) == (503, "UNAVAILABLE")
