"""Being LoyalNest's own staff: log-ins with two factors against a running gateway."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx

from adapters.crypto.totp import PyotpTotp
from adapters.runtime.host import Process
from contracts import admins
from contracts.caller import service_caller
from domain.admins.second_factor import DRIFT, step_at
from tests.conftest import Run
from tests.mesh.said import mesh_of, world_of

PASSWORD = "four words in a row"
ADMIN = "/admin/v1"
UNDER_WAY = timedelta(seconds=3)
"""For so long a code is good at least: on a busy machine, a while passes until it is looked at."""


@dataclass(slots=True)
class App:
    """An authenticator app. Each of its codes is good for one log-in, so it gives every one once:
    three are good at any time, and then it takes a while."""

    secret: str
    last: int = 0

    def code(self) -> str:
        soon = step_at(datetime.now(UTC) + UNDER_WAY)
        self.last = max(self.last + 1, soon - DRIFT)
        assert self.last <= soon + DRIFT, "log in less often in one test"
        while self.last > step_at(datetime.now(UTC)) + DRIFT:
            time.sleep(0.05)  # until the step that has nearly ended is over
        return PyotpTotp().code(self.secret, self.last)


@dataclass(slots=True)
class Colleague:
    """A member of the staff, with all that they have at hand."""

    admin_id: UUID
    email: str
    password: str
    app: App
    recovery_codes: tuple[str, ...]
    device_token: str = ""
    session: dict[str, Any] = field(default_factory=dict)

    @property
    def token(self) -> str:
        return str(self.session["token"])


@dataclass(frozen=True, slots=True)
class House:
    """LoyalNest, as its staff uses it."""

    process: Process
    http: httpx.AsyncClient

    async def post(self, path: str, bearer: str = "", /, **body: Any) -> httpx.Response:
        return await self.http.post(path, json=body, headers=_bearer(bearer))

    async def get(self, path: str, bearer: str = "", /, **asked: Any) -> httpx.Response:
        return await self.http.get(path, params=asked, headers=_bearer(bearer))

    async def hire(self, role: str = "superadmin", email: str = "") -> Colleague:
        """Somebody made from the command line, who has not logged in yet."""
        email = email or f"{uuid4().hex}@staff.example"
        request = admins.CreateAdmin(email=email, password=PASSWORD, role=role)
        made = await mesh_of(self.process).call(
            admins.CREATE_ADMIN, request, service_caller("test")
        )
        return Colleague(made.admin_id, email, PASSWORD, App(made.secret), made.recovery_codes)

    async def first(self, who: Colleague, password: str = "", **more: str) -> httpx.Response:
        """The first factor."""
        body = {"email": who.email, "password": password or who.password} | more
        return await self.post(f"{ADMIN}/auth/login", **body)

    async def challenge(self, who: Colleague, **more: str) -> str:
        answer = await self.first(who, **more)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["challenge"])

    async def second(self, challenge: str, code: str) -> httpx.Response:
        return await self.post(f"{ADMIN}/auth/mfa", challenge=challenge, code=code)

    async def log_in(self, who: Colleague, code: str = "") -> dict[str, Any]:
        """Both factors; what was answered is at hand afterwards."""
        challenge = await self.challenge(who, device_token=who.device_token)
        answer = await self.second(challenge, code or who.app.code())
        assert answer.status_code == 200, answer.text
        given: dict[str, Any] = answer.json()
        who.session = given["session"]
        who.device_token = given["device_token"] or who.device_token
        return given

    async def at_work(self, role: str = "superadmin") -> Colleague:
        """Somebody who has logged in."""
        who = await self.hire(role)
        await self.log_in(who)
        return who


@asynccontextmanager
async def house(run: Run, *more: str, **settings: str) -> AsyncIterator[House]:
    # All of it comes from one address here.
    settings = {"rate_limit_percent": "5000"} | settings
    async with run("auth", "api_gateway", *more, **settings) as process:
        port = world_of(process).settings.http_port
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            yield House(process, http)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Status and code."""
    return answer.status_code, answer.json()["code"]
