"""The gateway's decisions without servers: shops while others are away, and who a token is."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from adapters.crypto.keys import EnvelopeKeys
from adapters.system import SystemClock
from adapters.tokens.jwt_tokens import JwtIssuer, JwtVerifier
from adapters.tokens.keys import SigningKey, SigningKeys
from contracts.auth import Merchant
from contracts.caller import ANYONE, Audience
from contracts.sessions import RevokedList
from domain.errors import NotFound, Unauthenticated, Unavailable
from services.api_gateway.access import Access
from services.api_gateway.permissions import Grants
from services.api_gateway.revoked import RevokedTokens
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


async def nothing_revoked() -> RevokedTokens:
    answer = RevokedList(as_of=SystemClock().now(), revoked=())
    revoked = RevokedTokens(OneAnswer(answer), SystemClock())
    await revoked.learn()
    return revoked


async def test_a_members_token_asks_nobody() -> None:
    mesh = OneAnswer(Unavailable())
    access = Access(
        JwtVerifier(KEYS, SystemClock()), await nothing_revoked(), Grants(mesh, development=False)
    )
    member = uuid4()
    issued = JwtIssuer(KEYS, SystemClock()).issue(
        Audience.CUSTOMER, "member", merchant_id=SHOP, customer_id=member
    )
    caller = await access.caller(f"Bearer {issued.token}")
    assert (caller.customer_id, "points:read" in caller.permissions) == (member, True)
    assert mesh.asked == 0


async def test_no_header_is_anyone_and_a_wrong_one_is_refused() -> None:
    access = Access(
        JwtVerifier(KEYS, SystemClock()),
        await nothing_revoked(),
        Grants(OneAnswer(NotFound()), development=False),
    )
    assert await access.caller("") is ANYONE
    for header in ("Basic abc", "Bearer", "Bearer ", "nonsense"):
        with pytest.raises(Unauthenticated):
            await access.caller(header)
