"""People are found by names that are written nowhere, and by addresses that several have."""

import asyncio
import re
from base64 import urlsafe_b64encode
from datetime import timedelta
from random import Random
from uuid import uuid4

import msgspec
import pytest
from faker import Faker

from adapters.crypto.blind_search import HmacSearch
from adapters.postgres.connection import text
from adapters.postgres.names import _AFTER_RANK, _BEST_FIRST, _SEARCH
from adapters.postgres.rows import as_rows
from adapters.postgres.tenancy import ACROSS_SHOPS, MIGRATION, of_shops
from contracts import shop, users
from contracts.shop import member_id
from domain.errors import InvalidRequest
from domain.names import name_parts
from tests.conftest import Run, eventually
from tests.mesh.people import Shop, open_shop, running
from tests.mesh.said import AT, mesh_of, world_of

NAMES = {
    "1": "Ada Lovelace",
    "2": "Adam Lovell",
    "3": "Grace Hopper",
    "4": "Zoë Müller",
    "5": "太郎 田中",
    "6": "中田 花子",
    "7": "Иван Петров",
    "8": "An Nguyễn Văn",
    "9": "Seán O’Brien",
    "10": "Łukasz Wójcik",
}


async def told(one: Shop, names: dict[str, str]) -> None:
    """People whom the shop tells us of, all of whom can be found by now."""
    for customer, name in names.items():
        record = one.record(customer, f"{customer}@x.example", 0, name=name)
        await one.says(shop.CUSTOMER_CREATED, record)
    await all_named(one)
    await one.knows(customer)
    await all_named(one)


async def all_named(one: Shop) -> None:
    """Wait until nobody's name is still to be worked out."""
    await one.applied()
    await eventually(lambda: unnamed(one), lambda left: left == 0)


async def unnamed(one: Shop) -> int:
    async with world_of(one.process).database("users").transaction(ACROSS_SHOPS) as connection:
        query = "SELECT count(*) FROM users WHERE merchant_id = :m AND name_index IS NULL"
        return int((await connection.execute(text(query), {"m": one.id})).scalar_one())


async def test_people_are_found_by_what_their_name_is_like(run: Run) -> None:
    async with running(run) as one:
        await told(one, NAMES)
        best = {
            "Ada Lovelace": "1",
            "lovelace ada": "1",
            "Ada Lovlace": "1",  # a letter missing
            "Ada Loveleca": "1",  # two letters swapped, one wrong
            "lovela": "1",  # the beginning of a word
            "adam lov": "2",
            "hoper": "3",
            "garce hopper": "3",
            "zoe muller": "4",
            "ZOË MÜLLER": "4",
            "田中": "5",
            "田中太郎": "5",
            "花子": "6",
            "петров": "7",
            "nguyen": "8",
            "obrien": "9",
            "Sean O'Brien": "9",
            "lukasz": "10",
            "Wojcik": "10",
        }
        found = {asked: (await one.named(asked))[0] for asked in best}
        assert found == best
        for nothing in ("   ", "?!", "Xerxes", "q"):
            assert await one.named(nothing) == [], nothing
        assert await one.named("Ada Lovelace", kind="staff") == []
        # Another shop neither finds them nor disturbs.
        other = await open_shop(one.process)
        await told(other, {"1": "Ada Lovelace"})
        assert await other.named("ada") == ["1"]
        assert await other.named("hopper") == []


async def test_a_changed_name_is_found_and_the_old_one_is_not(run: Run) -> None:
    async with running(run) as one:
        await told(one, {"1": "Ada Byron"})
        ada = await one.user("1")
        await one.update(ada.user_id, last_name="Lovelace")
        assert await one.named("Lovelace") == ["1"]
        assert await one.named("Byron") == []
        made = await one.create("grace@x.example", first_name="Grace", last_name="Hopper")
        assert [user.user_id for user in (await one.listed(search="hopper")).users] == [
            made.user_id
        ]
        hours = int((ada.updated_at - AT) / timedelta(hours=1)) + 24 * 365 * 10
        await one.says(
            shop.CUSTOMER_UPDATED, one.record("1", "1@x.example", hours, name="Ada King")
        )
        await eventually(lambda: one.user("1"), lambda user: user.last_name == "King")
        await eventually(lambda: one.named("king"), lambda found: found == ["1"])
        assert await one.named("Lovelace") == []
        await one.update(made.user_id, first_name="", last_name="")
        assert (await one.listed(search="hopper")).users == ()


async def test_a_search_goes_on_page_by_page_while_people_come(run: Run) -> None:
    async with running(run) as one:
        await told(one, {str(n): f"Maria {chr(97 + n) * 5}" for n in range(9)})
        seen: list[str] = []
        cursor = None
        while True:
            page = await one.listed(search="maria", limit=2, cursor=cursor)
            seen += [user.shopify_customer_id for user in page.users]
            cursor = page.next_cursor
            if cursor is None:
                break
            await one.create(f"{uuid4()}@x.example", first_name="Marian")
        assert [each for each in sorted(seen) if each] == sorted(map(str, range(9)))
        assert len([each for each in seen if each]) == 9


async def test_what_makes_no_sense_is_refused(run: Run) -> None:
    async with running(run) as one:
        with pytest.raises(InvalidRequest) as refusal:
            await one.listed(
                search="x" * 101, email="a@x.example", kind="robot", limit=0, cursor="?"
            )
        assert {each.pointer for each in refusal.value.problems} == {
            "/search", "/kind", "/limit", "/cursor",
        }  # fmt: skip
        for cursor in ("", "é", "AAAA", "\0", urlsafe_b64encode(b"x" * 17).decode()):
            with pytest.raises(InvalidRequest):
                await one.listed(search="x", cursor=cursor)
        mesh = mesh_of(one.process)
        for cursor in ("", "x", "é" * 32, "-" * 32, "0" * 33):
            request = users.ListDuplicates(cursor=cursor)
            with pytest.raises(InvalidRequest):
                await mesh.call(users.LIST_DUPLICATES, request, one.staff())


async def test_no_name_is_written_anywhere(run: Run) -> None:
    """Neither plain nor as a trigram, nor are two people of one name alike."""
    mark = "Qwxyzjk"
    async with running(run) as one:
        await told(one, {"1": f"{mark} {mark}", "2": f"{mark} {mark}"})
        assert sorted(await one.named(mark)) == ["1", "2"]
        async with world_of(one.process).database("users").transaction(MIGRATION) as connection:
            tables = await connection.execute(
                text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            )
            dump = ""
            for table in tables.scalars():
                rows = await connection.execute(text(f'SELECT t::text FROM "{table}" t'))
                dump += "\n".join(rows.scalars())
            indexes = await connection.execute(
                text("SELECT name_index FROM users WHERE merchant_id = :m AND user_id = ANY(:ids)"),
                {"m": one.id, "ids": [member_id(one.id, customer) for customer in "12"]},
            )
            first, second = indexes.scalars()
        assert str(one.id) in dump  # it did look at the rows
        assert mark.lower() not in dump.lower()
        # What is sealed looks like any text, and may hold any three letters by chance.
        unsealed = re.sub(r"v[0-9]+\.[0-9a-z]+\.[\w=-]+", "", dump.lower())
        for part in name_parts(mark):
            assert part not in unsealed
            assert f"\\x{part.encode().hex()}" not in dump
        assert name_parts(mark)
        assert first != second
        assert len(first) % 8 == len(second) % 8 == 0
        assert set(first) & set(second)


async def test_those_who_were_here_before_are_named_and_a_stop_between_harms_nothing(
    run: Run,
) -> None:
    people = 450  # more than are done at once
    async with running(run) as one:
        await told(one, {str(number): "Ada Lovelace" for number in range(3)})
        broken = member_id(one.id, "0")
        async with world_of(one.process).database("users").transaction(MIGRATION) as connection:
            await connection.execute(
                text(
                    """
                    INSERT INTO users (
                        merchant_id, user_id, kind, shopify_customer_id, email_index,
                        sealed_contact, sealed_birthday, language, role, from_order, created_at,
                        updated_at, contact_of
                    )
                    SELECT merchant_id, gen_random_uuid(), kind, '', email_index, sealed_contact,
                        sealed_birthday, language, role, from_order, created_at, updated_at, user_id
                    FROM users, generate_series(1, :people)
                    WHERE merchant_id = :m AND user_id = :model
                    """
                ),
                {"m": one.id, "model": member_id(one.id, "1"), "people": people},
            )
            # One that cannot be opened, and one of a shop that auth does not know, hold up nobody.
            await connection.execute(
                text(
                    """
                    UPDATE users SET sealed_contact = 'v1.x.y', name_index = NULL
                    WHERE merchant_id = :m AND user_id = :broken
                    """
                ),
                {"m": one.id, "broken": broken},
            )
            await connection.execute(
                text(
                    """
                    INSERT INTO users
                    SELECT :stranger, user_id, kind, '', '', sealed_contact, '', '', '', from_order,
                        created_at, updated_at
                    FROM users WHERE merchant_id = :m AND user_id = :model
                    """
                ),
                {"m": one.id, "stranger": uuid4(), "model": member_id(one.id, "1")},
            )
    async with run("auth", "users") as process:
        again = Shop(process, one.key)
        await eventually(lambda: unnamed(again), lambda left: left == 0)
        found: set[str] = set()
        cursor = None
        while True:
            page = await again.listed(search="lovelace", limit=250, cursor=cursor)
            found |= {str(user.user_id) for user in page.users}
            if (cursor := page.next_cursor) is None:
                break
        assert len(found) == people + 2
        assert str(broken) not in found


async def test_a_name_worked_out_of_an_older_contact_is_not_kept(run: Run) -> None:
    """Whoever changes while their name is worked out is looked at once more."""
    async with running(run) as one:
        names = [f"Person{n} Old" for n in range(30)]
        for number, name in enumerate(names):
            await one.says(
                shop.CUSTOMER_CREATED, one.record(str(number), "x@x.example", 0, name=name)
            )
        for hour in range(1, 4):
            for number in range(30):
                record = one.record(
                    str(number), "x@x.example", hour, name=f"Person{number} New{hour}"
                )
                await one.says(shop.CUSTOMER_UPDATED, record)
            await asyncio.sleep(0)
        await all_named(one)
        assert await one.named("old") == []
        assert len(await one.named("new3", limit=250)) == 30


async def test_customers_with_one_address_are_listed_together(run: Run) -> None:
    async with running(run) as one:
        for number in range(16):
            email = ("many@x.example", "two@x.example", "alone@x.example", "")[
                0 if number < 12 else 1 if number < 14 else number - 12
            ]
            record = one.record(str(number), email, 0)
            record = msgspec.structs.replace(record, created_at=AT + timedelta(minutes=number))
            await one.says(shop.CUSTOMER_CREATED, record)
        await one.applied()
        mesh = mesh_of(one.process)

        async def page(cursor: str | None, limit: int = 1) -> users.Duplicates:
            request = users.ListDuplicates(cursor=cursor, limit=limit)
            return await mesh.call(users.LIST_DUPLICATES, request, one.staff())

        first = await page(None)
        second = await page(first.next_cursor)
        assert second.next_cursor is None
        groups = {each.users[0].email: each for each in (*first.duplicates, *second.duplicates)}
        assert set(groups) == {"many@x.example", "two@x.example"}
        assert groups["many@x.example"].count == 12
        newest = [user.shopify_customer_id for user in groups["many@x.example"].users]
        assert newest == [str(number) for number in range(11, 1, -1)]
        assert {user.shopify_customer_id for user in groups["two@x.example"].users} == {"12", "13"}
        assert (await page(None, 250)).duplicates == (*first.duplicates, *second.duplicates)
        other = await open_shop(one.process)
        request = users.ListDuplicates()
        assert (await mesh.call(users.LIST_DUPLICATES, request, other.staff())).duplicates == ()


async def test_among_twenty_thousand_the_index_is_asked(run: Run) -> None:
    """And a search finds who is meant. How long it takes is for benchmarks to say."""
    chance = Random(7)
    faker = Faker(["en_US", "fr_FR", "de_DE", "es_ES"])
    faker.seed_instance(7)
    firsts = [faker.first_name() for _ in range(400)]
    lasts = [faker.last_name() for _ in range(1_000)]
    async with running(run) as one:
        await told(one, {"1": "Ada Lovelace"})
        search = HmacSearch(chance.getrandbits)
        names = [f"{chance.choice(firsts)} {chance.choice(lasts)}" for _ in range(20_000)]
        database = world_of(one.process).database("users")
        async with database.transaction(MIGRATION) as connection:
            await connection.execute(
                text(
                    """
                    INSERT INTO users (
                        merchant_id, user_id, kind, shopify_customer_id, email_index,
                        sealed_contact, sealed_birthday, language, role, from_order, created_at,
                        updated_at, name_index
                    )
                    SELECT :m, user_id, 'customer', id, '', sealed_contact, '', '', '', false,
                        now(), now(), name_index
                    FROM json_to_recordset(CAST(:rows AS json))
                        AS k (user_id uuid, id text, sealed_contact text, name_index integer[])
                    """
                ),
                {
                    "m": one.id,
                    "rows": as_rows(
                        {
                            "user_id": member_id(one.id, f"x{at}"),
                            "id": f"x{at}",
                            "sealed_contact": one.sealed(f"x{at}", "x@x.example", name)[
                                "sealed_contact"
                            ],
                            "name_index": search.stored(one.key, name_parts(name)),
                        }
                        for at, name in enumerate(names)
                    ),
                },
            )
            await connection.execute(text("ANALYZE users"))
        assert (await one.named("ada lovelase"))[0] == "1"
        missed = [
            names[at]
            for at in range(0, 20_000, 1_000)
            if f"x{at}" not in await one.named(_mistyped(names[at], chance), limit=25)
        ]
        assert len(missed) <= 2, missed

        numbers = list(search.asked(one.key, name_parts("ada lovelace")))
        values = {
            "merchant_id": one.id,
            "kind": "customer",
            "numbers": numbers,
            "telling": numbers[: len(numbers) // 2 + 1],
            "least": (len(numbers) + 1) // 2,
            "most": 51,
            "shared": 500,
            "user_id": uuid4(),
        }
        async with database.transaction(of_shops([one.id])) as connection:
            query = f"EXPLAIN {_SEARCH}{_AFTER_RANK}{_BEST_FIRST}"
            plan = "\n".join((await connection.execute(text(query), values)).scalars())
        assert "Bitmap Index Scan on users_named" in plan, plan
        assert "Seq Scan on users" not in plan, plan


def _mistyped(name: str, chance: Random) -> str:
    """The name with one letter left out, doubled, or swapped with the next."""
    at = chance.randrange(len(name) - 1)
    return chance.choice(
        (
            name[:at] + name[at + 1 :],
            name[: at + 1] + name[at:],
            name[:at] + name[at + 1] + name[at] + name[at + 2 :],
        )
    )
