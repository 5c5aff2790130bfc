"""The gateway's decisions without servers: shops while others are away, and who a token is."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from adapters.system import SystemClock
from adapters.tokens.jwt_tokens import JwtIssuer, JwtVerifier
from adapters.tokens.keys import SigningKey, SigningKeys
from contracts.auth import Merchant
from contracts.caller import ANYONE, Audience
from contracts.kit import Body
from contracts.registry import REGISTRY
from contracts.sessions import RevokedList
from domain.errors import NotFound, Unauthenticated, Unavailable
from ports.sealing import MerchantKey
from services.api_gateway.access import Access
from services.api_gateway.permissions import Grants
from services.api_gateway.revoked import RevokedTokens
from services.api_gateway.shops import FRESH_SECONDS, STALE_SECONDS, UNKNOWN_SECONDS, Shops
from services.api_gateway.webhooks import Webhooks
from tests.keys import KeysAtHand
from tests.services.given import StandingClock

KEYS = SigningKeys.of(SigningKey.of(b"k" * 32))
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


def merchant(merchant_id: UUID) -> Merchant:
    return Merchant(
        merchant_id=merchant_id, shop_domain="a.myshopify.com", status="active", currency="USD",
        time_zone="UTC", wrapped_key="w1.", installed_at=SystemClock().now(),
    )  # fmt: skip


async def test_a_known_shop_is_served_while_auth_is_away() -> None:
    seconds = Seconds()
    mesh = OneAnswer(merchant(SHOP))
    shops = Shops(mesh, seconds)
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


async def test_what_is_heard_of_a_shop_is_asked_for_at_once() -> None:
    seconds = Seconds()
    mesh = OneAnswer(NotFound())
    shops = Shops(mesh, seconds)
    with pytest.raises(NotFound):
        await shops.active("a.myshopify.com")
    mesh.answer = merchant(SHOP)
    shops.forget(SHOP)  # it has just been taken in: nobody here knew its id
    assert await shops.active("a.myshopify.com") == SHOP
    mesh.answer = msgspec.structs.replace(merchant(SHOP), status="uninstalled")
    assert await shops.active("a.myshopify.com") == SHOP
    shops.forget(SHOP)
    with pytest.raises(NotFound):
        await shops.active("a.myshopify.com")
    assert not (await shops.find("a.myshopify.com")).installed


class Taken:
    """What the edge was to keep, and when it was said to have happened."""

    def __init__(self, status: str) -> None:
        answer = msgspec.structs.replace(merchant(SHOP), status=status)
        self.at: list[datetime] = []
        self.clock = StandingClock()
        self.keys = KeysAtHand()
        self.sealed_for: list[MerchantKey | None] = []
        self._webhooks = Webhooks(
            Shops(OneAnswer(answer)), self.keys, lambda *_: True, self._translate, self._keep,
            self.clock,
        )  # fmt: skip

    def _translate(
        self,
        topic: str,
        raw: bytes,
        merchant_id: UUID,
        key: MerchantKey | None,
        triggered_at: datetime,
    ) -> Body:
        self.at.append(triggered_at)
        self.sealed_for.append(key)
        return Body()

    async def _keep(self, *_: object) -> bool:
        return True

    async def take(self, topic: str, triggered_at: str = "") -> bool:
        return await self._webhooks.accept(
            topic, b"", signature="", domain="a.myshopify.com", webhook_id="1",
            triggered_at=triggered_at,
        )  # fmt: skip


async def test_of_a_shop_that_has_left_only_what_the_law_wants_is_taken() -> None:
    gone, suspended = Taken("uninstalled"), Taken("suspended")
    allowed = {"app/uninstalled", "customers/data_request", "customers/redact", "shop/redact"}
    for topic in REGISTRY.webhooks:
        assert await suspended.take(topic)
        if topic in allowed:
            assert await gone.take(topic)
        else:
            with pytest.raises(NotFound):
                await gone.take(topic)
    assert allowed < set(REGISTRY.webhooks)


async def test_of_an_erased_shop_the_same_is_taken_without_anything_that_had_to_be_sealed() -> None:
    erased = Taken("uninstalled")
    erased.keys.erased.add(SHOP)
    for topic in ("app/uninstalled", "customers/data_request", "customers/redact", "shop/redact"):
        assert await erased.take(topic)
    assert erased.sealed_for == [None] * 4
    with pytest.raises(NotFound):
        await erased.take("orders/create")
    # It was erased in the moment in which the edge still takes it for installed.
    late = Taken("active")
    late.keys.erased.add(SHOP)
    with pytest.raises(NotFound, match="No shop"):
        await late.take("orders/create")
    assert await late.take("shop/redact")


async def test_when_it_happened_is_what_shopify_says_unless_that_is_nonsense() -> None:
    taken = Taken("active")
    now = taken.clock.now()
    for said, meant in (
        ("2026-05-31T23:00:00.123456789Z", datetime(2026, 5, 31, 23, 0, 0, 123456, UTC)),
        ("2026-05-31T23:00:00-02:00", datetime(2026, 6, 1, 1, tzinfo=UTC)),
        ("2030-01-01T00:00:00Z", now),
        ("2026-05-31T23:00:00", now),
        ("0001-01-01T00:00:00+14:00", now),
        ("yesterday", now),
        ("", now),
    ):
        await taken.take("app/uninstalled", said)
        assert taken.at[-1] == meant, said


async def test_an_unknown_shop_is_asked_for_again_soon() -> None:
    seconds = Seconds()
    mesh = OneAnswer(NotFound())
    shops = Shops(mesh, seconds)
    for _ in range(3):
        with pytest.raises(NotFound):
            await shops.find("a.myshopify.com")
    assert mesh.asked == 1
    mesh.answer = merchant(SHOP)
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
