"""Birthdays on real servers: told once when the day begins, made up for, erased, worth points."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID, uuid4

import msgspec
import pytest
from prometheus_client import REGISTRY

from adapters.crypto.blind_search import HmacSearch
from adapters.crypto.keyring import Keyring
from adapters.crypto.sealer import AesGcmSealer
from adapters.nats.connection import MESSAGE_ID, ONLY_FOR
from adapters.postgres.birthdays import PostgresBirthdays
from adapters.postgres.connection import text
from adapters.postgres.tenancy import ACROSS_SHOPS
from adapters.postgres.units import postgres_units
from contracts import auth, core, points, shop, users
from contracts.caller import Audience, Caller, service_caller
from contracts.keys import MERCHANT_KEY_ROTATED, MerchantKeyRotated
from contracts.shop import CustomerGone, member_id
from contracts.users import CustomerBirthday, SetBirthday
from domain.birthdays import Birthday
from domain.days import day_of, start_of
from domain.errors import InvalidRequest, NotFound, Unavailable
from domain.program import defaults
from ports.birthdays import BirthdayBook
from ports.tenancy import within
from ports.unit import Units
from services.users.birthdays import tell_birthdays
from services.users.envelope import Envelopes
from tests.conftest import Run, eventually
from tests.mesh.people import GRANTS, Shop, open_shop, running
from tests.mesh.said import heard, mesh_of, say, times_said, world_of

ZONE = "Pacific/Auckland"
DAY = timedelta(days=1)


@dataclass
class Party:
    """A shop that celebrates, and a clock that can be put forward."""

    shop: Shop
    at: datetime

    def now(self) -> datetime:
        return self.at

    @property
    def today(self) -> date:
        return day_of(self.at, ZONE)

    async def born(self, customer: str, day: date, caller: Caller | None = None) -> None:
        """Somebody says when they have their birthday, but not their age."""
        one = self.shop
        asked = SetBirthday(user_id=member_id(one.id, customer), month=day.month, day=day.day)
        await mesh_of(one.process).call(users.SET_BIRTHDAY, asked, caller or one.staff("support"))

    async def opens(self, *customers: str) -> None:
        for name in customers:
            await self.shop.says(shop.CUSTOMER_CREATED, self.shop.record(name, "", 0))
            await self.shop.knows(name)

    async def gives_points(self) -> None:
        """The program is known to points, and to nobody else."""
        await self._say_program("points")
        asked = points.ExplainPurchase(lines=(points.ExplainLine(amount=Decimal(1)),))
        await eventually(
            lambda: mesh_of(self.shop.process).call(
                points.EXPLAIN_PURCHASE, asked, self.shop.staff()
            ),
            lambda found: found.settings_version == 2,
        )

    async def celebrates(self) -> None:
        """From now on birthdays are told, if only by this clock: the service looks itself as well,
        now and then, and must not do so before they are known."""
        await self._say_program("users-calendars")
        await eventually(self._begun)

    async def _say_program(self, only_for: str) -> None:
        program = replace(
            defaults("USD"), version=2, time_zone=ZONE,
            signup=replace(defaults("USD").signup, enabled=False),
        )  # fmt: skip
        await world_of(self.shop.process).publisher.publish(
            core.SETTINGS_UPDATED.subject(self.shop.id),
            msgspec.json.encode(core.SettingsUpdated(settings=program)),
            {MESSAGE_ID: str(uuid4()), ONLY_FOR: only_for},
        )

    async def _begun(self) -> bool:
        with within([self.shop.id]):
            async with self.units()() as unit:
                return await unit.stores.due(self.at + DAY) is not None

    def units(self) -> Units[BirthdayBook]:
        world = world_of(self.shop.process)
        return postgres_units(
            world.database("users"), world.relays["users"], PostgresBirthdays, self, world.ids,
            input_keys=[b"k"],
        )  # fmt: skip

    async def tells(self) -> None:
        """What the service does every second, for this shop and by this clock."""
        world = world_of(self.shop.process)
        keys = Keyring(world.mesh, world.key_management(), "users")
        envelopes = Envelopes(keys, AesGcmSealer(), HmacSearch())
        with within([self.shop.id]):
            await tell_birthdays(self.units(), envelopes, self)

    async def has(self, customer: str, wanted: int) -> None:
        asked = points.MemberRef(shopify_customer_id=customer)

        async def spendable() -> int:
            mesh = mesh_of(self.shop.process)
            return (await mesh.call(points.GET_BALANCE, asked, self.shop.staff())).spendable

        await eventually(spendable, lambda found: found == wanted, ignore=[NotFound])

    async def told(self) -> int:
        return await times_said(self.shop.process, users.CUSTOMER_BIRTHDAY, self.shop.id)


@asynccontextmanager
async def party(run: Run) -> AsyncIterator[Party]:
    async with running(run, "points", "roles") as one:
        begun = Party(one, datetime.now(UTC))
        await begun.gives_points()
        yield begun


async def rows(one: Shop) -> list[dict[str, object]]:
    database = world_of(one.process).database("users")
    async with database.transaction(ACROSS_SHOPS) as connection:
        found = await connection.execute(
            text("SELECT * FROM users WHERE merchant_id = :m"), {"m": one.id}
        )
        return [row._asdict() for row in found]


async def test_a_birthday_is_told_when_the_day_begins_and_earns_once_a_year(run: Run) -> None:
    async with party(run) as one:
        await one.opens("today", "tomorrow", "later")
        await one.born("today", one.today)
        await one.born("tomorrow", one.today + DAY)
        await one.born("later", one.today + 9 * DAY)
        said: list[CustomerBirthday] = await heard(
            one.shop.process, users.CUSTOMER_BIRTHDAY, one.shop.id
        )
        await one.celebrates()
        today = one.today
        await asyncio.gather(*(one.tells() for _ in range(4)))  # several processes at once
        await one.has("today", 200)
        await one.tells()
        assert await one.told() == 1

        # Another birthday, so soon after: it is told, and gives nothing.
        await one.born("today", today + DAY)
        one.at = start_of(today + DAY, ZONE) - timedelta(seconds=1)
        await one.tells()
        assert await one.told() == 1
        one.at = start_of(today + DAY, ZONE)
        await one.tells()
        await one.has("tomorrow", 200)
        assert await one.told() == 3

        # Nobody was there for nine days.
        one.at += 9 * DAY
        await one.tells()
        await one.has("later", 200)
        assert await one.told() == 4
        await eventually(lambda: _all_of(said, 4))
        assert said[-1] == CustomerBirthday(
            customer_id=member_id(one.shop.id, "later"), occurred_at=start_of(today + 9 * DAY, ZONE)
        )

        # A year after the first there is one again, by the birthday as it is now.
        again = Birthday((today + DAY).month, (today + DAY).day).in_year((today + DAY).year + 1)
        one.at = start_of(again, ZONE)
        await one.tells()
        await one.has("tomorrow", 400)
        await one.has("today", 400)
        await one.has("later", 200)


async def _all_of(said: list[CustomerBirthday], wanted: int) -> bool:
    return len(said) == wanted


async def test_whose_birthday_it_is_cannot_be_read_where_it_is_kept(run: Run) -> None:
    async with party(run) as one:
        await one.opens("a", "b", "c")
        born = date(1990, 5, 17)
        for name in "ab":
            await one.shop.update(member_id(one.shop.id, name), birthday=born)
        await one.born("c", born)
        kept = await rows(one.shop)
        assert len({row["birthday_days"] for row in kept}) == 1
        assert HmacSearch().days(one.shop.key, 5, 17) == kept[0]["birthday_days"]
        for row in kept:
            assert not any(
                told in str(value)
                for name, value in row.items()
                if name not in ("created_at", "updated_at", "user_id", "merchant_id")
                for told in ("05-17", "5-17", "0517")
            )
        found = await one.shop.user("c")
        assert (found.birthday, found.birth_month, found.birth_day) == (None, 5, 17)
        assert (await one.shop.user("a")).birthday == born


async def test_birthdays_from_before_are_found_too(run: Run) -> None:
    async with party(run) as one:
        await one.opens("old")
        await one.born("old", one.today)
        database = world_of(one.shop.process).database("users")
        async with database.transaction(ACROSS_SHOPS) as connection:
            await connection.execute(
                text("UPDATE users SET birthday_days = NULL WHERE merchant_id = :m"),
                {"m": one.shop.id},
            )
        await one.celebrates()
        await one.tells()
        await one.has("old", 200)


async def test_nobody_celebrates_who_was_deleted_and_one_person_once(run: Run) -> None:
    async with party(run) as one:
        await one.opens("gone", "kept", "merged")
        await one.born("gone", one.today)
        await one.born("merged", one.today)
        await one.born("kept", one.today + DAY)
        gone = CustomerGone(customer_id=member_id(one.shop.id, "gone"), shopify_customer_id="gone")
        await one.shop.says(shop.CUSTOMER_DELETED, gone)
        await eventually(lambda: _is_gone(one.shop, "gone"))
        await one.celebrates()
        await one.tells()
        await one.has("merged", 200)
        asked = users.MergeUsers(
            kept_id=member_id(one.shop.id, "kept"), merged_id=member_id(one.shop.id, "merged")
        )
        await mesh_of(one.shop.process).call(
            users.MERGE_USERS, asked, one.shop.staff(), idempotency_key="k"
        )
        await one.has("kept", 200)
        one.at = start_of(one.today + DAY, ZONE)
        await one.tells()
        assert await one.told() == 2
        await one.born("kept", one.today + DAY)
        one.at = start_of(one.today + DAY, ZONE)
        await one.tells()
        assert await one.told() == 3
        await one.has("kept", 200)
        erased = {row["user_id"]: row["birthday_days"] for row in await rows(one.shop)}
        assert erased[member_id(one.shop.id, "gone")] is None
        assert erased[member_id(one.shop.id, "merged")] is None


async def _is_gone(one: Shop, customer: str) -> bool:
    try:
        await one.user(customer)
    except NotFound:
        return True
    return False


async def wrap(one: Shop, text_of: str) -> None:
    """Auth has this as the wrapped key of the shop from now on, and says so."""
    async with world_of(one.process).database("auth").transaction(ACROSS_SHOPS) as connection:
        await connection.execute(
            text("UPDATE merchant_keys SET wrapped = :w WHERE merchant_id = :m AND use = 'data'"),
            {"w": text_of, "m": one.id},
        )
    said = MerchantKeyRotated(key_id="", retired_key_id="", occurred_at=datetime.now(UTC))
    await say(one.process, MERCHANT_KEY_ROTATED, said, one.id)


async def wrapped(one: Shop) -> str:
    asked = auth.ValidateMerchant(merchant_id=one.id)
    found = await mesh_of(one.process).call(auth.VALIDATE_MERCHANT, asked, service_caller("test"))
    return found.wrapped_key


async def is_refused(one: Shop) -> bool:
    try:
        await one.listed()
    except Unavailable:
        return True
    return False


async def shut() -> float | None:
    return REGISTRY.get_sample_value("loyalnest_keys_shut", {"service": "users"})


async def test_a_shop_whose_keys_nobody_can_open_keeps_no_other_from_anything(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """Its own birthdays and names wait, and are done when somebody has mended it."""
    async with party(run) as one:
        other = Party(await open_shop(one.shop.process), one.at)
        await other.gives_points()
        for each in (one, other):
            await each.opens("today")
            await each.born("today", each.today)
        good = await wrapped(one.shop)
        await wrap(one.shop, await wrapped(other.shop))
        await eventually(partial(is_refused, one.shop))
        for each in (one, other):
            await each.celebrates()
            zoe = each.shop.record("zoe", "zoe@example.com", 1, name="Zoe Nightingale")
            await each.shop.says(shop.CUSTOMER_CREATED, zoe)
        await eventually(other.told, lambda found: found == 1)
        await eventually(lambda: other.shop.named("Zoe Nightingale"), lambda found: "zoe" in found)
        assert await one.told() == 0
        assert await shut() == 1

        await wrap(one.shop, good)
        await eventually(shut, lambda found: found == 0)
        await eventually(one.told, lambda found: found == 1)
        await eventually(lambda: one.shop.named("Zoe Nightingale"), lambda found: "zoe" in found)
    # Once by each of the services that have wanted them, however often.
    errors = [each for each in caplog.records if "do not unwrap" in each.getMessage()]
    assert 1 <= len(errors) <= len(("auth", "points", "users"))
    assert not [each for each in caplog.records if "failed and will run again" in each.getMessage()]


async def test_who_may_say_it(run: Run) -> None:
    async with party(run) as one:
        await one.opens("a", "b")
        me = Caller(
            audience=Audience.CUSTOMER, actor="a", merchant_id=one.shop.id, role="customer",
            customer_id=member_id(one.shop.id, "a"), permissions=GRANTS["customer"],
        )  # fmt: skip
        await one.born("b", date(2000, 2, 29), caller=me)  # whoever is named, it is one's own
        assert (await one.shop.user("a")).birth_day == 29
        assert (await one.shop.user("b")).birth_day is None
        mesh = mesh_of(one.shop.process)
        staff = await one.shop.create("s@x.example", kind="staff", role="viewer")
        for nobody in (staff.user_id, UUID(int=9)):
            unknown = SetBirthday(user_id=nobody, month=1, day=1)
            with pytest.raises(NotFound):
                await mesh.call(users.SET_BIRTHDAY, unknown, one.shop.staff())
        with pytest.raises(InvalidRequest):
            await mesh.call(users.SET_BIRTHDAY, SetBirthday(month=2, day=30), me)
        with pytest.raises(InvalidRequest):
            await mesh.call(users.SET_BIRTHDAY, SetBirthday(month=2, day=3), one.shop.staff())
