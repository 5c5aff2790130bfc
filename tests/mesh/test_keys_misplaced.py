"""Sealed texts and wrapped keys that somebody has put in another place: nothing opens there."""

from datetime import date

import pytest

from contracts import shop
from contracts.shop import member_id
from domain.errors import Unavailable
from tests.conftest import Run
from tests.keys import key_of
from tests.mesh.keys import row_of, rows
from tests.mesh.people import Shop, open_shop, running
from tests.mesh.said import register, world_of


async def test_sealed_texts_that_change_places_do_not_open(run: Run) -> None:
    async with running(run) as one:
        other = await open_shop(one.process)
        for each in (one, other):
            for customer in ("1", "2"):
                record = each.record(customer, f"{customer}@x.example", 0)
                await each.says(shop.CUSTOMER_CREATED, record)
                await each.knows(customer)
        made = await one.create("staff@x.example", birthday=date(1990, 5, 17))
        swaps = (
            # between two people
            ("sealed_contact", one.id, member_id(one.id, "2"), "sealed_contact"),
            # between two shops, for the same customer of both
            ("sealed_contact", other.id, member_id(other.id, "1"), "sealed_contact"),
            # between two purposes
            ("sealed_contact", one.id, made.user_id, "sealed_birthday"),
        )
        (before,) = await row_of(one, "1")
        for column, merchant_id, user_id, source in swaps:
            await rows(
                one.process, "users",
                f"UPDATE users u SET {column} = o.{source} FROM users o"
                " WHERE u.merchant_id = :m AND u.user_id = :u"
                " AND o.merchant_id = :om AND o.user_id = :ou RETURNING 1",
                m=one.id, u=member_id(one.id, "1"), om=merchant_id, ou=user_id,
            )  # fmt: skip
            assert (await one.user("1")).email == "", source
        await set_contact(one, "1", before.sealed_contact)
        assert (await one.user("1")).email == "1@x.example"
        for wrong in (
            before.sealed_contact[:-4],
            before.sealed_contact[:-5] + "AAAA=",
            before.sealed_contact.replace(one.key.key_id, other.key.key_id),
            before.sealed_contact.replace(one.key.key_id, "0" * 16),
            "v2..",
        ):
            await set_contact(one, "1", wrong)
            assert (await one.user("1")).email == "", wrong


async def set_contact(one: Shop, customer: str, sealed: str) -> None:
    await rows(
        one.process, "users",
        "UPDATE users SET sealed_contact = :s WHERE merchant_id = :m AND user_id = :u RETURNING 1",
        s=sealed, m=one.id, u=member_id(one.id, customer),
    )  # fmt: skip


async def test_wrapped_keys_that_change_places_make_nothing_open(run: Run) -> None:
    """Who can write into auth's table cannot make shops use keys of their choice."""
    async with run("auth") as process:
        one, other = await register(process), await register(process)
        for column, text_of in (("data", other.wrapped_key), ("data", one.index_key)):
            await rows(
                process, "auth",
                "UPDATE merchant_keys SET wrapped = :w WHERE merchant_id = :m AND use = :u"
                " RETURNING 1", w=text_of, m=one.merchant_id, u=column,
            )  # fmt: skip
            with pytest.raises(Unavailable, match="cannot be unwrapped"):
                await key_of(world_of(process), one.merchant_id)
        assert (await key_of(world_of(process), other.merchant_id)).secret
