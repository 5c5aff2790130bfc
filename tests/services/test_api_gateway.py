"""The gateway's decisions without servers: shops and permissions while others are away."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from adapters.crypto.keys import EnvelopeKeys
from adapters.system import SystemClock
from adapters.tokens.jwt_tokens import JwtIssuer, JwtVerifier
from adapters.tokens.keys import SigningKey, SigningKeys
from contracts.auth import Merchant
from contracts.caller import ANYONE, Audience
from contracts.roles import Permissions
from domain.errors import NotFound, Unauthenticated, Unavailable
from services.api_gateway.access import FRESH_SECONDS as ROLE_FRESH
from services.api_gateway.access import STALE_SECONDS as ROLE_STALE
from services.api_gateway.access import Access
from services.api_gateway.shops import FRESH_SECONDS, STALE_SECONDS, UNKNOWN_SECONDS, Shops

KEYS = SigningKeys(SigningKey.of(b"k" * 32))
SHOP = uuid4()


class OneAnswer:
    """A mesh on which everything has the same answer, or is away."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked = 0

    async def call(self, *_: Any, **__: Any) -> Any:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def merchant(keys: EnvelopeKeys, merchant_id: UUID) -> Merchant:
    return Merchant(
        merchant_id=merchant_id, shop_domain="a.myshopify.com", status="active", currency="USD",
        time_zone="UTC", wrapped_key=keys.wrap_new(merchant_id), installed_at=SystemClock().now(),
    )  # fmt: skip


async def test_a_known_shop_is_served_while_auth_is_away() -> None:
    keys, seconds = EnvelopeKeys(b"m" * 32), Seconds()
    mesh = OneAnswer(merchant(keys, SHOP))
    shops = Shops(mesh, keys, seconds)
    assert (await shops.find("a.myshopify.com")).merchant_id == SHOP
    await shops.find("a.myshopify.com")
    assert mesh.asked == 1
    mesh.answer = Unavailable()
    seconds.now = FRESH_SECONDS + 1
    assert (await shops.find("a.myshopify.com")).merchant_id == SHOP
    with pytest.raises(Unavailable):
        await shops.find("b.myshopify.com")
    seconds.now = STALE_SECONDS + FRESH_SECONDS
    with pytest.raises(Unavailable):
        await shops.find("a.myshopify.com")


async def test_an_unknown_shop_is_asked_for_again_soon() -> None:
    keys, seconds = EnvelopeKeys(b"m" * 32), Seconds()
    mesh = OneAnswer(NotFound())
    shops = Shops(mesh, keys, seconds)
    for _ in range(3):
        with pytest.raises(NotFound):
            await shops.find("a.myshopify.com")
    assert mesh.asked == 1
    mesh.answer = merchant(keys, SHOP)
    seconds.now = UNKNOWN_SECONDS
    assert (await shops.find("a.myshopify.com")).merchant_id == SHOP


def staff_token(role: str = "support") -> str:
    issued = JwtIssuer(KEYS, SystemClock()).issue(
        Audience.MERCHANT, "staff", merchant_id=SHOP, role=role
    )
    return issued.token


async def test_a_changed_role_counts_within_two_seconds_and_a_lost_one_denies() -> None:
    seconds = Seconds()
    mesh = OneAnswer(Permissions(permissions=("points:read",)))
    access = Access(JwtVerifier(KEYS, SystemClock()), mesh, seconds)
    header = f"Bearer {staff_token()}"
    assert (await access.caller(header)).permissions == ("points:read",)
    mesh.answer = Permissions(permissions=("points:read", "points:adjust"))
    assert (await access.caller(header)).permissions == ("points:read",)
    seconds.now = ROLE_FRESH
    assert (await access.caller(header)).permissions == ("points:read", "points:adjust")
    mesh.answer = NotFound()
    seconds.now += ROLE_FRESH
    assert (await access.caller(header)).permissions == ()


async def test_while_roles_is_away_the_last_word_holds_for_a_minute() -> None:
    seconds = Seconds()
    mesh = OneAnswer(Permissions(permissions=("points:read",)))
    access = Access(JwtVerifier(KEYS, SystemClock()), mesh, seconds)
    header = f"Bearer {staff_token()}"
    await access.caller(header)
    mesh.answer = Unavailable()
    seconds.now = ROLE_STALE
    assert (await access.caller(header)).permissions == ("points:read",)
    seconds.now = ROLE_STALE + 1
    with pytest.raises(Unavailable):
        await access.caller(header)


async def test_a_members_token_asks_nobody() -> None:
    mesh = OneAnswer(Unavailable())
    access = Access(JwtVerifier(KEYS, SystemClock()), mesh)
    member = uuid4()
    issued = JwtIssuer(KEYS, SystemClock()).issue(
        Audience.CUSTOMER, "member", merchant_id=SHOP, customer_id=member
    )
    caller = await access.caller(f"Bearer {issued.token}")
    assert (caller.customer_id, "points:read" in caller.permissions) == (member, True)
    assert mesh.asked == 0


async def test_no_header_is_anyone_and_a_wrong_one_is_refused() -> None:
    access = Access(JwtVerifier(KEYS, SystemClock()), OneAnswer(NotFound()))
    assert await access.caller("") is ANYONE
    for header in ("Basic abc", "Bearer", "Bearer ", "nonsense"):
        with pytest.raises(Unauthenticated):
            await access.caller(header)
