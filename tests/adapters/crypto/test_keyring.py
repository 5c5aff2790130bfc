"""Keys of shops as services remember them: asked for once, told of changes, never kept too long."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from adapters.crypto.derive import key_id
from adapters.crypto.keyfile import KEY_BYTES
from adapters.crypto.keyring import STALE_SECONDS, Keyring
from contracts.auth import Merchant, ValidateMerchant
from contracts.keys import KeyChange, KeyChanges, ListKeyChanges
from domain.errors import DeadlineExceeded, NotFound, Unavailable
from domain.keys import KeysDestroyed, KeysShut
from ports.key_management import KeyContext, MasterKey
from ports.sealing import CannotOpen

SHOP = UUID(int=7)
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def secret(name: str) -> bytes:
    return name.encode().ljust(KEY_BYTES)


def sealed(name: str) -> str:
    """A text that names the key of this name."""
    return f"v2.{key_id(secret(name))}.x"


@dataclass
class Auth:
    """What auth says of the one shop there is; ``away`` instead, if that is set."""

    data: str = "one"
    older: tuple[str, ...] = ()
    version: int = 1
    changes: tuple[KeyChange, ...] = ()
    away: Exception | None = None
    asked: int = 0
    goes: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.goes.set()

    async def call(self, *asked: Any, **_: Any) -> Any:
        request = asked[1]
        if isinstance(request, ListKeyChanges):
            if self.away is not None:
                raise self.away
            return KeyChanges(as_of=NOW, changes=self.changes)
        assert isinstance(request, ValidateMerchant)
        self.asked += 1
        await self.goes.wait()
        if self.away is not None:
            raise self.away
        return Merchant(
            merchant_id=SHOP,
            shop_domain="a.myshopify.com",
            status="active",
            currency="USD",
            time_zone="UTC",
            wrapped_key=self.data,
            installed_at=NOW,
            index_key=self.data and "index",
            older_keys=self.older,
            keys_version=self.version,
        )


class Plain:
    """Wraps a key in its name."""

    def __init__(self) -> None:
        self.unwrapped: list[str] = []
        self.away = False

    async def current(self) -> MasterKey:
        return MasterKey("plain", "")

    async def wrap(self, key: bytes, context: KeyContext) -> str:
        return key.decode().strip()

    async def unwrap(self, wrapped: str, context: KeyContext) -> bytes:
        self.unwrapped.append(wrapped)
        await asyncio.sleep(0)
        if self.away:
            raise Unavailable("The key service is not available.")
        if wrapped == "broken":
            raise CannotOpen
        return secret(wrapped)

    async def rewrap(self, wrapped: str, context: KeyContext) -> str:
        return wrapped


class Given:
    def __init__(self) -> None:
        self.now = 0.0
        self.auth, self.management = Auth(), Plain()
        self.keys = Keyring(self.auth, self.management, "test", lambda: self.now)


@pytest.fixture
def given() -> Given:
    return Given()


async def test_many_who_want_a_key_at_once_make_one_call_and_one_unwrapping(given: Given) -> None:
    given.auth.goes.clear()
    waiting = [asyncio.create_task(given.keys.of(SHOP)) for _ in range(20)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # who gives up takes nobody along
    given.auth.goes.set()
    keys = await asyncio.gather(*waiting[1:])
    assert len(set(map(id, keys))) == 1
    assert (given.auth.asked, given.management.unwrapped) == (1, ["one", "index"])
    assert await given.keys.of(SHOP) is keys[0]
    assert given.auth.asked == 1


async def test_who_asks_after_a_failure_asks_anew(given: Given) -> None:
    given.auth.away = Unavailable()
    for _ in range(2):
        with pytest.raises(Unavailable):
            await given.keys.of(SHOP)
    given.auth.away = NotFound()
    with pytest.raises(NotFound):
        await given.keys.of(SHOP)
    given.auth.away = None
    assert (await given.keys.of(SHOP)).secret == secret("one")
    assert given.auth.asked == 4


@pytest.mark.parametrize("away", [Unavailable(), DeadlineExceeded()])
async def test_what_is_known_holds_for_a_while_without_auth(given: Given, away: Exception) -> None:
    key = await given.keys.of(SHOP)
    given.now = STALE_SECONDS - 1
    await given.keys.learn()
    given.auth.away = away
    with pytest.raises(Unavailable):
        await given.keys.learn()
    given.now += STALE_SECONDS - 1
    assert await given.keys.of(SHOP) is key
    assert given.auth.asked == 1
    given.now += 1
    with pytest.raises(Unavailable):
        await given.keys.of(SHOP)


async def test_a_rotation_is_heard_of_and_only_the_new_key_is_unwrapped(given: Given) -> None:
    before = await given.keys.of(SHOP)
    given.auth.data, given.auth.older, given.auth.version = "two", ("one",), 2
    assert await given.keys.of(SHOP) is before
    given.keys.outdate(SHOP)
    after = await given.keys.of(SHOP)
    assert (after.secret, after.older) == (secret("two"), {before.key_id: secret("one")})
    assert after.index_secret == before.index_secret
    assert given.management.unwrapped == ["one", "index", "two"]


async def test_the_old_key_goes_on_while_nobody_can_say_or_unwrap_the_new_one(given: Given) -> None:
    before = await given.keys.of(SHOP)
    given.auth.data, given.auth.older, given.auth.version = "two", ("one",), 2
    given.keys.outdate(SHOP)
    given.management.away = True
    assert await given.keys.of(SHOP) is before
    given.management.away, given.auth.away = False, Unavailable()
    assert await given.keys.of(SHOP) is before
    given.auth.away = None
    assert (await given.keys.of(SHOP)).secret == secret("two")


async def test_destroyed_keys_are_not_served_whatever_is_away(given: Given) -> None:
    await given.keys.of(SHOP)
    given.keys.forget(SHOP)
    given.auth.away = Unavailable()
    with pytest.raises(Unavailable):
        await given.keys.of(SHOP)
    given.auth.away, given.auth.data, given.auth.version = None, "", 2
    with pytest.raises(KeysDestroyed):
        await given.keys.of(SHOP)
    # It comes back with keys of its own.
    given.auth.data, given.auth.version = "new", 3
    assert (await given.keys.of(SHOP)).secret == secret("new")


async def test_what_no_event_told_is_learnt(given: Given) -> None:
    await given.keys.of(SHOP)
    given.auth.changes = (KeyChange(merchant_id=SHOP, version=1, destroyed=False),)
    await given.keys.learn()  # it is listed for some time after it is known
    await given.keys.of(SHOP)
    assert given.auth.asked == 1
    given.auth.data, given.auth.older, given.auth.version = "two", ("one",), 2
    given.auth.changes = (KeyChange(merchant_id=SHOP, version=2, destroyed=False),)
    await given.keys.learn()
    assert (await given.keys.of(SHOP)).secret == secret("two")
    given.auth.data = ""
    given.auth.changes = (KeyChange(merchant_id=SHOP, version=3, destroyed=True),)
    await given.keys.learn()
    with pytest.raises(KeysDestroyed):
        await given.keys.of(SHOP)


async def test_a_change_that_passes_while_somebody_asks_is_learnt_next(given: Given) -> None:
    given.auth.goes.clear()
    asking = asyncio.create_task(given.keys.of(SHOP))
    await asyncio.sleep(0)
    given.keys.outdate(SHOP)
    given.auth.goes.set()
    assert (await asking).secret == secret("one")  # as auth said before the change
    given.auth.data, given.auth.older, given.auth.version = "two", ("one",), 2
    given.auth.changes = (KeyChange(merchant_id=SHOP, version=2, destroyed=False),)
    await given.keys.learn()
    assert (await given.keys.of(SHOP)).secret == secret("two")


async def test_a_text_under_an_unknown_key_is_reason_to_ask_once(given: Given) -> None:
    await given.keys.of(SHOP, [sealed("one"), ""])
    assert given.auth.asked == 1
    given.auth.data, given.auth.older, given.auth.version = "two", ("one",), 2
    assert (await given.keys.of(SHOP, [sealed("two")])).secret == secret("two")
    assert given.auth.asked == 2
    for _ in range(3):
        await given.keys.of(SHOP, [sealed("never was"), sealed("one")])
    assert given.auth.asked == 3


async def test_keys_that_are_wrapped_anew_are_the_same(given: Given) -> None:
    given.auth.older = ("zero",)
    before = await given.keys.of(SHOP)
    given.auth.older, given.auth.version = (), 2
    given.keys.outdate(SHOP)
    assert await given.keys.of(SHOP) is not before
    again = await given.keys.of(SHOP)
    given.keys.outdate(SHOP)
    assert await given.keys.of(SHOP) is again  # and all that was derived from them


async def test_an_older_key_that_does_not_unwrap_keeps_nobody_from_the_others(given: Given) -> None:
    given.auth.older = ("broken", "zero")
    key = await given.keys.of(SHOP)
    assert set(key.older) == {key_id(secret("zero"))}
    given.auth.data = "broken"
    given.keys.forget(SHOP)
    with pytest.raises(KeysShut):
        await given.keys.of(SHOP)


async def refused(given: Given) -> None:
    with pytest.raises(KeysShut, match="cannot be unwrapped"):
        await given.keys.of(SHOP)


def shut() -> float | None:
    return REGISTRY.get_sample_value("loyalnest_keys_shut", {"service": "test"})


async def test_what_does_not_unwrap_is_tried_less_and_less_often_and_said_once(
    given: Given, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody wants it every second, for an hour."""
    given.auth.data = "broken"
    tries: list[int] = []
    for second in range(3600):
        given.now = float(second)
        await refused(given)
        if len(tries) < given.auth.asked:
            tries.append(second)
    assert tries == [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, *range(811, 3600, 300)]
    assert [each.levelname for each in caplog.records] == ["ERROR"]
    assert str(SHOP) in caplog.text
    assert shut() == 1

    # Somebody puts the master key back. Nobody asks for the shop, and all the same it is known.
    given.auth.data = "one"
    given.now += 300
    await given.keys.learn()
    assert shut() == 0
    assert [each.levelname for each in caplog.records] == ["ERROR", "WARNING"]
    assert (await given.keys.of(SHOP)).secret == secret("one")


async def test_other_keys_of_a_shop_are_tried_at_once(given: Given) -> None:
    given.auth.data = "broken"
    for heard in (
        lambda: given.keys.outdate(SHOP),
        lambda: given.keys.forget(SHOP),
    ):
        await refused(given)
        asked = given.auth.asked
        await refused(given)
        assert given.auth.asked == asked
        heard()
        await refused(given)
        assert given.auth.asked == asked + 1

    # No event came, and auth lists the change.
    given.auth.data, given.auth.version = "one", 2
    given.auth.changes = (KeyChange(merchant_id=SHOP, version=2, destroyed=False),)
    await given.keys.learn()
    assert shut() == 0
    asked = given.auth.asked
    assert (await given.keys.of(SHOP)).secret == secret("one")
    assert given.auth.asked == asked


async def test_a_change_that_is_listed_again_is_no_reason_to_try_again(given: Given) -> None:
    given.auth.data = "broken"
    given.auth.changes = (KeyChange(merchant_id=SHOP, version=1, destroyed=False),)
    await refused(given)
    for _ in range(5):
        await given.keys.learn()
    assert given.auth.asked == 1


@pytest.mark.parametrize("end", [NotFound("There is no such shop."), None])
async def test_of_an_erased_shop_nothing_is_left_to_open(
    given: Given, end: Exception | None
) -> None:
    given.auth.data = "broken"
    await refused(given)
    given.auth.data, given.auth.away = "", end
    given.now += 1
    with pytest.raises(NotFound):
        await given.keys.of(SHOP)
    assert shut() == 0
