"""Members of an organisation's shops who are one person share a pool, and leave it again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
import pytest_asyncio
from nats.js.api import DeliverPolicy

from adapters.crypto.organization_keys import HmacPools
from adapters.nats.packs import unpacked
from adapters.postgres.connection import text
from adapters.postgres.links import PostgresLinks
from adapters.postgres.tenancy import ACROSS_SHOPS
from adapters.runtime.host import Process
from contracts import shop, users
from contracts.organizations import (
    MEMBER_LINKED,
    MEMBER_UNLINKED,
    ORGANIZATION_JOINED,
    ORGANIZATION_LEFT,
    MemberLinked,
    MembershipChanged,
    MemberUnlinked,
)
from contracts.shop import CustomerGone, CustomersMerged, PrivacyRequest, member_id
from domain.linking import Step
from ports.links import Claim, Links, Membership, Moved
from ports.people import PersonKey
from ports.tenancy import within
from ports.unit import Units
from tests.conftest import Run, eventually
from tests.mesh.linking import House, joined, settled, store, tells, version
from tests.mesh.people import Shop, open_shop
from tests.mesh.said import AT, world_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process(run: Run) -> AsyncIterator[Process]:
    async with run("auth", "users") as running:
        yield running


async def said(one: Shop, customer: str) -> list[MemberLinked | MemberUnlinked]:
    """All that was ever said of a member, in the order of its versions."""
    js = world_of(one.process).js
    found: list[MemberLinked | MemberUnlinked] = []
    for event in (MEMBER_LINKED, MEMBER_UNLINKED):
        subject = event.subject(one.id)
        info = await js.stream_info("EVENTS", subjects_filter=subject)
        subscription = await js.subscribe(
            subject, ordered_consumer=True, deliver_policy=DeliverPolicy.ALL
        )
        for _ in range((info.state.subjects or {}).get(subject, 0)):
            for each in unpacked(await subscription.next_msg(5)):
                body: Any = msgspec.json.decode(each.payload, type=event.body)
                if body.customer_id == member_id(one.id, customer):
                    found.append(body)
        await subscription.unsubscribe()
    return sorted(found, key=lambda each: each.version)


async def pool(one: Shop, customer: str) -> UUID | None:
    """Where a member is by the last word; None for nowhere."""
    words = await said(one, customer)
    assert [each.version for each in words] == list(range(1, len(words) + 1))
    last = words[-1] if words else None
    return last.pool_id if isinstance(last, MemberLinked) else None


async def linked(one: Shop, customer: str) -> UUID:
    found = await eventually(lambda: pool(one, customer))
    assert found is not None
    return found


async def unlinked(one: Shop, customer: str) -> None:
    await eventually(lambda: pool(one, customer), lambda found: found is None)


async def test_who_has_one_verified_address_in_two_shops_is_one_person(process: Process) -> None:
    house = House(process)
    one, other = await house.open(), await house.open()
    await tells(one, "1", "Ada@x.example")
    await tells(other, "7", " ada@X.example")
    await tells(one, "2", "bob@x.example")
    shared = await linked(one, "1")
    assert await linked(other, "7") == shared != await linked(one, "2")
    (word,) = await said(one, "1")
    assert isinstance(word, MemberLinked)
    assert word.organization_id == (await store(one).sees()).organization_id
    assert b"x.example" not in msgspec.json.encode(word)


async def test_an_address_that_nobody_has_verified_links_nobody(process: Process) -> None:
    house = House(process)
    one, thief = await house.open(), await house.open()
    await tells(one, "1", "victim@x.example")
    await tells(thief, "1", "victim@x.example", verified=False)
    order = thief.order("2", "victim@x.example", 1)  # typed at a checkout
    await thief.says(shop.ORDER_PAID, order)
    await thief.knows("2")
    assert await linked(one, "1")
    await settled(process)
    assert await said(thief, "1") == await said(thief, "2") == []
    # Of the same moment, the record of a verified address is believed; later it is taken back.
    await tells(thief, "1", "victim@x.example")
    assert await linked(thief, "1") == await pool(one, "1")
    await tells(thief, "1", "victim@x.example", 1, verified=False)
    await unlinked(thief, "1")


async def test_an_address_verified_by_an_order_counts_until_a_record_says_otherwise(
    process: Process,
) -> None:
    one = await House(process).open()
    order = one.order("1", "a@x.example", 1)
    assert order.customer is not None
    vouched = msgspec.structs.replace(order.customer, email_verified=True)
    await one.says(shop.ORDER_PAID, msgspec.structs.replace(order, customer=vouched))
    assert await linked(one, "1")
    await tells(one, "1", "a@x.example", verified=False)
    await unlinked(one, "1")


async def test_in_another_organisation_the_same_person_is_another(process: Process) -> None:
    one, other = await House(process).open(), await House(process).open()
    for each in (one, other):
        await tells(each, "1", "ada@x.example")
    assert await linked(one, "1") != await linked(other, "1")


async def test_members_of_before_are_linked_when_their_shop_joins_and_unlinked_when_it_leaves(
    process: Process,
) -> None:
    house = House(process)
    one = await house.open()
    late = await open_shop(process)
    for number in range(450):  # more than are worked out at once
        await late.says(
            shop.CUSTOMER_UPDATED, late.record(str(number), f"{number}@x.example", 0, verified=True)
        )
    await late.knows("449")
    await tells(one, "1", "7@x.example")
    await late.applied()
    await settled(process)
    assert await said(late, "7") == []
    await store(late).joins(await store(one).code())
    assert await linked(late, "7") == await linked(one, "1")
    await linked(late, "449")
    await settled(process)
    assert {type(word) for number in ("0", "200", "399") for word in await said(late, number)} == {
        MemberLinked
    }
    await store(late).leaves()
    await unlinked(late, "7")
    await unlinked(late, "449")
    assert await linked(one, "1")
    await settled(process)
    async with world_of(process).database("users").transaction(ACROSS_SHOPS) as connection:
        kept = await connection.execute(
            text(
                "SELECT count(*) FROM users WHERE merchant_id = :shop"
                " AND (pool_id IS NOT NULL OR linked_pool_id IS NOT NULL)"
            ),
            {"shop": late.id},
        )
        assert kept.scalar_one() == 0


async def test_another_address_is_another_pool_and_back_again_the_first(process: Process) -> None:
    house = House(process)
    one, other = await house.open(), await house.open()
    await tells(one, "1", "old@x.example")
    await tells(other, "1", "new@x.example")
    first = await linked(one, "1")
    await tells(one, "1", "new@x.example", 1)
    await eventually(lambda: said(one, "1"), lambda words: len(words) == 3)
    assert await linked(one, "1") == await linked(other, "1") != first
    words = await said(one, "1")
    assert [type(each) for each in words] == [MemberLinked, MemberUnlinked, MemberLinked]
    assert words[1].pool_id == first
    await tells(one, "1", "OLD@x.example", 2)
    await eventually(lambda: pool(one, "1"), lambda found: found == first)


@pytest.mark.parametrize(
    ("own", "typed"),
    [("ada@x.example", "victim@x.example"), ("ada@strasse.example", "ada@straße.example")],
)
async def test_an_address_that_staff_has_typed_links_nobody(
    process: Process, own: str, typed: str
) -> None:
    one = await House(process).open()
    await tells(one, "1", own)
    await linked(one, "1")
    await one.update(member_id(one.id, "1"), phone="+15550100000")
    await settled(process)
    assert await linked(one, "1")
    await one.update(member_id(one.id, "1"), email=typed)
    await unlinked(one, "1")
    made = await one.create("bob@x.example", shopify_customer_id="9")
    await settled(process)
    assert made.user_id == member_id(one.id, "9")
    assert await said(one, "9") == []


async def test_of_two_in_one_shop_the_one_with_the_smaller_id_is_linked(process: Process) -> None:
    one = await House(process).open()
    first, second = sorted(("1", "2"), key=lambda each: member_id(one.id, each))
    await tells(one, second, "ada@x.example")
    shared = await linked(one, second)
    await tells(one, first, "ada@x.example")
    assert await linked(one, first) == shared
    await unlinked(one, second)
    # Who was passed over comes in when the other goes, for whatever reason.
    await tells(one, first, "else@x.example", 1)
    assert await linked(one, second) == shared
    await eventually(lambda: pool(one, first), lambda found: found not in (None, shared))


@pytest.mark.parametrize("way", ["deleted", "redacted"])
async def test_who_is_forgotten_is_in_no_pool(process: Process, way: str) -> None:
    one = await House(process).open()
    first, second = sorted(("1", "2"), key=lambda each: member_id(one.id, each))
    await tells(one, first, "ada@x.example")
    await tells(one, second, "ada@x.example")
    shared = await linked(one, first)
    customer_id = member_id(one.id, first)
    if way == "deleted":
        gone = CustomerGone(customer_id=customer_id, shopify_customer_id=first)
        await one.says(shop.CUSTOMER_DELETED, gone)
    else:
        asked = PrivacyRequest(request_key="1", shopify_customer_id=first, customer_id=customer_id)
        await one.says(shop.CUSTOMER_REDACTED, asked)
    await unlinked(one, first)
    assert await linked(one, second) == shared
    # Whatever the shop says later.
    await one.says(shop.CUSTOMER_UPDATED, one.record(first, "ada@x.example", 9, verified=True))
    await one.says(shop.CUSTOMER_UPDATED, one.record("3", "last@x.example", 9, verified=True))
    await linked(one, "3")
    await settled(process)
    assert await pool(one, first) is None


async def test_who_asked_to_be_forgotten_before_they_were_known_is_in_no_pool(
    process: Process,
) -> None:
    one = await House(process).open()
    asked = PrivacyRequest(
        request_key="1", shopify_customer_id="1", customer_id=member_id(one.id, "1")
    )
    for _ in range(2):
        await one.says(shop.CUSTOMER_REDACTED, asked)

    async def noted() -> int:
        async with world_of(process).database("users").transaction(ACROSS_SHOPS) as connection:
            statement = "SELECT count(*) FROM unlinkable WHERE merchant_id = :shop"
            return int((await connection.execute(text(statement), {"shop": one.id})).scalar_one())

    await eventually(noted, lambda found: found == 1)
    await tells(one, "1", "ada@x.example")
    await tells(one, "2", "bob@x.example")
    await linked(one, "2")
    await settled(process)
    assert await said(one, "1") == []


async def test_who_has_changed_since_they_were_read_is_left_for_the_next_turn(
    process: Process,
) -> None:
    one = await open_shop(process)
    await tells(one, "1", "ada@x.example")
    await tells(one, "2", "bob@x.example")
    await tells(one, "3", "eve@x.example")
    # An organisation that auth knows nothing of: the service itself settles nobody, for the third.
    nowhere = uuid4()
    house = Membership(one.id, 1, nowhere)
    news = MembershipChanged(organization_id=nowhere, version=1, occurred_at=AT)
    await one.says(ORGANIZATION_JOINED, news)
    await joined(one)
    units: Units[Links] = world_of(process).units("users", PostgresLinks)
    pools = {member_id(one.id, customer): uuid4() for customer in ("1", "2")}
    changed, unchanged = pools
    with within([one.id]):
        async with units() as unit:
            found = await unit.stores.candidates(house, 10)
        async with units() as unit:
            await unit.stores.never_link([PersonKey(one.id, changed)])
        async with units() as unit:
            of = {each.person.key.user_id: each for each in found}
            claims = [Claim(of[user_id], pool_id) for user_id, pool_id in pools.items()]
            moved = await unit.stores.settle(house, claims)
        assert moved == [Moved(unchanged, Step(pools[unchanged], joins=True, version=1))]
        async with units() as unit:
            left = await unit.stores.candidates(house, 10)
            may_link = {each.person.key.user_id: each.may_link for each in left}
            assert may_link == {changed: False, member_id(one.id, "3"): True}
            # Nor does anything happen for a shop that has moved on.
            assert await unit.stores.settle(house._replace(version=2), claims) is None
    await one.says(ORGANIZATION_LEFT, msgspec.structs.replace(news, version=2))
    await unlinked(one, "2")
    await settled(process)


async def test_of_merged_members_the_one_who_is_kept_is_linked(process: Process) -> None:
    one = await House(process).open()
    await tells(one, "1", "ada@x.example")
    shared = await linked(one, "1")
    await tells(one, "2", "")
    merged = CustomersMerged(
        kept_customer_id=member_id(one.id, "2"),
        kept_shopify_customer_id="2",
        merged_customer_id=member_id(one.id, "1"),
        merged_shopify_customer_id="1",
        completed=True,
    )
    await one.says(shop.CUSTOMERS_MERGED, merged)
    await unlinked(one, "1")
    assert await linked(one, "2") == shared  # who got the address of the other
    # They change places: an account that is gone must not be the one that is kept.
    back = CustomersMerged(
        kept_customer_id=member_id(one.id, "1"),
        kept_shopify_customer_id="1",
        merged_customer_id=member_id(one.id, "2"),
        merged_shopify_customer_id="2",
        completed=True,
    )
    await one.says(shop.CUSTOMERS_MERGED, back)
    await unlinked(one, "2")
    assert await linked(one, "1") == shared


async def test_news_of_joining_and_leaving_in_any_order_and_number_end_alike(
    process: Process,
) -> None:
    house = House(process)
    one, other = await house.open(), await house.open()
    await tells(one, "1", "ada@x.example")
    await tells(other, "1", "ada@x.example")
    shared = await linked(other, "1")
    assert await linked(one, "1") == shared
    organization_id = (await store(one).sees()).organization_id
    before = [len(await said(each, "1")) for each in (one, other)]
    old = MembershipChanged(organization_id=organization_id, version=1, occurred_at=AT)
    for event in (ORGANIZATION_LEFT, ORGANIZATION_JOINED, ORGANIZATION_LEFT):
        await other.says(event, old)
    await tells(other, "1", "ada@x.example")
    await tells(other, "9", "last@x.example")
    await linked(other, "9")
    assert [len(await said(each, "1")) for each in (one, other)] == before
    # News of a place that the shop has never been to leads nowhere: auth gives no key for it.
    nowhere = MembershipChanged(organization_id=uuid4(), version=5, occurred_at=AT)
    await other.says(ORGANIZATION_JOINED, nowhere)
    late = MembershipChanged(organization_id=organization_id, version=4, occurred_at=AT)
    await other.says(ORGANIZATION_LEFT, late)
    await one.applied()
    true = MembershipChanged(organization_id=organization_id, version=6, occurred_at=AT)
    await other.says(ORGANIZATION_JOINED, true)
    await settled(process)
    assert await linked(other, "1") == shared


async def test_many_changes_at_once_leave_one_link_and_versions_without_gaps(
    process: Process, run: Run
) -> None:
    """While the shop leaves and joins, too, and another process of users works on the same: they
    go on as soon as users has heard of them, whatever is still to be worked out."""
    house = House(process)
    one, other = await house.open(), await house.open()
    customers = [str(number) for number in range(6)]

    async def changes() -> None:
        for hour in range(1, 12):
            for number, customer in enumerate(customers):
                email = f"{(number + hour) % 3}@x.example"
                record = other.record(customer, email, hour, verified=(number + hour) % 4 != 0)
                await other.says(shop.CUSTOMER_UPDATED, record)
            await other.applied()

    async def heard(move: Awaitable[object]) -> None:
        before = await version(other)
        await move
        await eventually(lambda: version(other), lambda found: found > before)

    async def moves() -> None:
        for _ in range(4):
            await heard(store(other).leaves())
            await heard(store(other).joins(await store(one).code()))

    async with run("users"):
        await asyncio.gather(changes(), moves())
        await tells(other, "last", "last@x.example")
        await linked(other, "last")
        await settled(process)
    hour = 11
    by_address: dict[str, list[str]] = {}
    for number, customer in enumerate(customers):
        if (number + hour) % 4:
            by_address.setdefault(f"{(number + hour) % 3}", []).append(customer)
    chosen = {min(each, key=lambda one: member_id(other.id, one)) for each in by_address.values()}

    async def all_linked() -> set[str]:
        return {each for each in customers if await pool(other, each) is not None}

    await eventually(all_linked, lambda found: found == chosen)


async def test_a_key_that_does_not_open_keeps_nobody_else_waiting(process: Process) -> None:
    one, other = await House(process).open(), await House(process).open()
    organization_id = (await store(one).sees()).organization_id

    async def change(statement: str) -> None:
        async with world_of(process).database("auth").transaction(ACROSS_SHOPS) as connection:
            where = "WHERE organization_id = :house"
            await connection.execute(
                text(f"UPDATE organizations SET {statement} {where}"), {"house": organization_id}
            )

    await change("wrapped_key = 'w1.0000000000000000.' || wrapped_key")
    await tells(one, "1", "ada@x.example")
    for number in ("1", "2"):  # the second in another round than the first
        await tells(other, number, f"{number}@x.example")
        await linked(other, number)
    assert await said(one, "1") == []
    await change("wrapped_key = substr(wrapped_key, 21)")
    await linked(one, "1")


async def test_a_shop_that_cannot_be_worked_out_keeps_no_other_waiting(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(process)
    one, other = sorted([await house.open(), await house.open()], key=lambda each: each.id)
    pools_of = HmacPools.of

    def of(pools: HmacPools, email: str) -> UUID | None:
        if email.startswith("broken"):
            raise ZeroDivisionError
        return pools_of(pools, email)

    with monkeypatch.context() as patch:
        patch.setattr(HmacPools, "of", of)
        await tells(one, "1", "broken@x.example")
        for number in ("1", "2"):  # the second in another round than the first
            await tells(other, number, f"{number}@x.example")
            await linked(other, number)
    await linked(one, "1")


async def test_a_member_looks_as_before(process: Process) -> None:
    """Nobody in a shop is shown whether a member is known elsewhere."""
    house = House(process)
    one, other = await house.open(), await house.open()
    await tells(one, "1", "ada@x.example")
    alone = await one.user("1")
    await linked(one, "1")
    await tells(other, "1", "ada@x.example")
    await linked(other, "1")
    assert await one.user("1") == alone
    shown = set(users.User.__struct_fields__)
    assert not {each for each in shown if "pool" in each or "link" in each or "organ" in each}
