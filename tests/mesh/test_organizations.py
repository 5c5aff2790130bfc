"""Shops come together in an organisation with a code that counts once, and leave it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from adapters.postgres.connection import text
from adapters.postgres.tenancy import ACROSS_SHOPS
from adapters.runtime.host import Process
from contracts import auth, organizations, suspensions
from contracts.caller import Audience, Caller, service_caller
from contracts.organizations import (
    GET_ORGANIZATION,
    GET_ORGANIZATION_KEY,
    INVITE_SHOP,
    LEAVE_ORGANIZATION,
    ORGANIZATION_JOINED,
    ORGANIZATION_LEFT,
    GetOrganizationKey,
    MembershipChanged,
    Organization,
)
from domain.admins.errors import ShopNotActive
from domain.admins.guessing import PATIENCE, Pace
from domain.errors import InvalidRequest, LoyaltyError, NotFound
from domain.organizations import (
    MOST_SHOPS,
    AlreadyInOrganization,
    NoOrganization,
    OrganizationCodeSpent,
    OrganizationFull,
    TooManyWrongCodes,
)
from ports.key_management import ORGANIZATION, KeyContext
from ports.sealing import CannotOpen
from tests.conftest import Run, eventually
from tests.mesh.organizations import Store
from tests.mesh.said import heard, mesh_of, register, say, world_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
OURS = Caller(audience=Audience.ADMIN, actor=str(uuid4()), permissions=("admin:full",))
WRONG = "0000-0000-0000-0000-0000-0000"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process(run: Run) -> AsyncIterator[Process]:
    async with run("auth", "roles") as running:
        yield running


async def a_store(process: Process) -> Store:
    merchant = await register(process)
    return Store(process, merchant.merchant_id, merchant.shop_domain)


async def two(process: Process) -> tuple[Store, Store]:
    return await a_store(process), await a_store(process)


async def execute(process: Process, statement: str, **values: object) -> list[Any]:
    database = world_of(process).database("auth")
    async with database.transaction(ACROSS_SHOPS) as connection:
        found = await connection.execute(text(statement), values)
        return found.all()


async def test_two_shops_come_together_and_part(process: Process) -> None:
    one, other = await two(process)
    joined = {each.id: await heard(process, ORGANIZATION_JOINED, each.id) for each in (one, other)}
    left = await heard(process, ORGANIZATION_LEFT, other.id)
    made = await one.creates("  The House ")
    assert (made.name, [each.shop_domain for each in made.shops]) == ("The House", [one.domain])
    seen = await other.joins(await one.code())
    assert seen == await one.sees() == await other.sees()
    assert [each.shop_domain for each in seen.shops] == [one.domain, other.domain]
    assert [each.store for each in seen.shops] == [one.id, other.id]
    assert seen.shops[0].joined_at < seen.shops[1].joined_at
    await other.leaves()
    assert await other.is_alone()
    assert await one.neighbours() == [one.domain]
    await other.joins(await one.code())
    await eventually(lambda: asyncio.sleep(0, len(joined[other.id]) == 2 and len(left) == 1))
    said = [*joined[other.id], *left]
    assert {each.organization_id for each in (*said, *joined[one.id])} == {made.organization_id}
    assert sorted(each.version for each in said) == [1, 2, 3]
    assert isinstance(left[0], MembershipChanged)
    assert left[0].version == 2


async def test_a_shop_sees_of_the_others_when_they_joined_and_nothing_else(
    process: Process,
) -> None:
    seen = organizations.ShopOfOrganization.__struct_fields__
    assert seen == ("store", "shop_domain", "joined_at")
    assert Organization.__struct_fields__ == ("organization_id", "name", "shops")
    one, stranger = await two(process)
    await one.creates()
    assert await stranger.is_alone()


async def test_a_shop_is_in_one_organisation(process: Process) -> None:
    one, other = await two(process)
    await one.creates()
    await other.creates()
    assert await one.creates() == await one.sees()  # who did not hear the answer asks again
    with pytest.raises(AlreadyInOrganization):
        await one.creates("Another house")
    with pytest.raises(AlreadyInOrganization):
        await one.joins(await other.code())
    with pytest.raises(AlreadyInOrganization):
        await one.joins(await one.code())
    # Nobody has used these codes up.
    await one.leaves()
    assert await one.joins(await other.code())


async def test_a_name_is_one_line(process: Process) -> None:
    one = await a_store(process)
    for name in ("", "   ", "a\nb", "x" * 101):
        with pytest.raises(InvalidRequest):
            await one.creates(name)


async def test_without_an_organisation_there_is_nothing_to_do(process: Process) -> None:
    one = await a_store(process)
    for operation in (GET_ORGANIZATION, INVITE_SHOP, LEAVE_ORGANIZATION):
        with pytest.raises(NoOrganization):
            await one.call(operation)


async def test_a_shop_that_nobody_knows_is_in_none(process: Process) -> None:
    nobody = Store(process, uuid4(), "")
    for operation in (GET_ORGANIZATION, INVITE_SHOP, LEAVE_ORGANIZATION):
        with pytest.raises(NoOrganization):
            await nobody.call(operation)
    with pytest.raises(ShopNotActive):
        await nobody.creates()
    with pytest.raises(ShopNotActive):
        await nobody.joins(WRONG)


async def test_a_code_is_read_however_it_is_typed_and_counts_once(process: Process) -> None:
    one, other = await two(process)
    late = await a_store(process)
    await one.creates()
    code = await one.code()
    assert await other.joins(code.lower().replace("-", " "))
    with pytest.raises(OrganizationCodeSpent):
        await late.joins(code)
    # Who did not hear the answer asks again, and is told the same.
    assert await other.joins(code) == await other.sees()
    with pytest.raises(InvalidRequest):
        await late.joins("let me in")


async def test_a_new_code_takes_the_place_of_the_one_before(process: Process) -> None:
    one, other = await two(process)
    await one.creates()
    before, after = await one.code(), await one.code()
    with pytest.raises(OrganizationCodeSpent):
        await other.joins(before)
    assert await other.joins(after)


async def test_a_code_is_over_after_a_week_and_kept_as_a_digest(process: Process) -> None:
    one, other = await two(process)
    await one.creates()
    made = await one.call(INVITE_SHOP)
    assert timedelta(days=6, hours=23) < made.expires_at - datetime.now(UTC) <= timedelta(days=7)
    rows = await execute(
        process,
        "UPDATE organization_invitations SET expires_at = now() WHERE merchant_id = :shop"
        " RETURNING CAST(organization_invitations AS text) AS row",
        shop=one.id,
    )
    assert made.code.replace("-", "") not in rows[0].row
    with pytest.raises(OrganizationCodeSpent):
        await other.joins(made.code)


async def test_wrong_codes_are_counted_and_then_have_to_wait(process: Process) -> None:
    one, guesser = await two(process)
    bystander = await a_store(process)
    await one.creates()
    free = PATIENCE[Pace.ORGANIZATION_CODES].free
    for _ in range(free):
        with pytest.raises(OrganizationCodeSpent):
            await guesser.joins(WRONG)
    code = await one.code()
    for guess in (WRONG, code):
        with pytest.raises(TooManyWrongCodes):
            await guesser.joins(guess)
    assert await bystander.joins(code)  # whom nobody else's guesses keep out
    await execute(
        process,
        "UPDATE organization_wrong_codes SET last_at = last_at - interval '31 seconds'"
        " WHERE merchant_id = :shop",
        shop=guesser.id,
    )
    assert await guesser.joins(await one.code())
    await guesser.leaves()
    for _ in range(free):  # a right one has made up for those before
        with pytest.raises(OrganizationCodeSpent):
            await guesser.joins(WRONG)


async def test_many_guesses_at_once_are_as_many_guesses(process: Process) -> None:
    guesser = await a_store(process)
    free = PATIENCE[Pace.ORGANIZATION_CODES].free
    answers = await asyncio.gather(
        *(guesser.joins(WRONG) for _ in range(free + 8)), return_exceptions=True
    )
    looked_at = [each for each in answers if isinstance(each, OrganizationCodeSpent)]
    refused = [each for each in answers if isinstance(each, TooManyWrongCodes)]
    assert (len(looked_at), len(refused)) == (free, 8)


async def test_of_those_who_enter_one_code_at_once_one_gets_in(process: Process) -> None:
    for _ in range(5):
        one = await a_store(process)
        others = [await a_store(process) for _ in range(6)]
        await one.creates()
        code = await one.code()
        answers = await asyncio.gather(
            *(each.joins(code) for each in others), return_exceptions=True
        )
        assert sum(isinstance(each, Organization) for each in answers) == 1
        assert sum(isinstance(each, OrganizationCodeSpent) for each in answers) == 5
        assert len(await one.neighbours()) == 2


async def test_joining_while_the_inviter_leaves_does_one_or_the_other(process: Process) -> None:
    """Also when the inviter is the last: then the organisation ends, or has the other in it."""
    for turn in range(8):
        one, other = await two(process)
        made = await one.creates()
        code = await one.code()
        moves = [other.joins(code), one.leaves()]
        answers = await asyncio.gather(
            *(moves if turn % 2 else moves[::-1]), return_exceptions=True
        )
        assert not [
            each
            for each in answers
            if isinstance(each, Exception) and not isinstance(each, OrganizationCodeSpent)
        ]
        assert await one.is_alone()
        if await other.is_alone():
            assert await organization_rows(process, made) == 0
        else:
            assert await other.neighbours() == [other.domain]
            assert await organization_rows(process, made) == 1


async def organization_rows(process: Process, made: Organization) -> int:
    rows = await execute(
        process,
        "SELECT count(*) AS n FROM organizations WHERE organization_id = :id",
        id=made.organization_id,
    )
    return int(rows[0].n)


async def test_who_leaves_takes_their_code_along(process: Process) -> None:
    one, other = await two(process)
    third = await a_store(process)
    await one.creates()
    await other.joins(await one.code())
    code = await other.code()
    await other.leaves()
    with pytest.raises(OrganizationCodeSpent):
        await third.joins(code)


async def test_with_the_last_shop_the_organisation_ends_and_its_key(process: Process) -> None:
    one, other = await two(process)
    made = await one.creates()
    await other.joins(await one.code())
    await one.leaves()
    assert await organization_rows(process, made) == 1
    assert await key_for(other, made)
    await other.leaves()
    assert await organization_rows(process, made) == 0


async def key_for(store: Store, made: Organization) -> str:
    request = GetOrganizationKey(organization_id=made.organization_id)
    caller = service_caller("users", store.id)
    return (await mesh_of(store.process).call(GET_ORGANIZATION_KEY, request, caller)).wrapped_key


async def test_an_organisations_key_is_told_of_its_shops_and_wrapped_for_it(
    process: Process,
) -> None:
    one, other = await two(process)
    ours, theirs = await one.creates(), await other.creates()
    wrapped = await key_for(one, ours)
    management = world_of(process).key_management()
    context = KeyContext(ours.organization_id, ORGANIZATION)
    assert len(await management.unwrap(wrapped, context)) == 32
    for wrong in (KeyContext(theirs.organization_id, ORGANIZATION), KeyContext(context[0])):
        with pytest.raises(CannotOpen):
            await management.unwrap(wrapped, wrong)
    with pytest.raises(NotFound):
        await key_for(one, theirs)
    await one.leaves()
    with pytest.raises(NotFound):
        await key_for(one, ours)


async def test_an_organisation_has_so_many_shops_and_no_more(process: Process) -> None:
    one, other = await two(process)
    made = await one.creates()
    await execute(
        process,
        """
        WITH crowd AS (
            INSERT INTO merchants (
                merchant_id, shop_domain, status, currency, time_zone, wrapped_key, installed_at,
                seen_at, changed_at
            )
            SELECT gen_random_uuid(), gen_random_uuid() || '.myshopify.com', 'active', 'USD', 'UTC',
                '', now(), now(), now()
            FROM generate_series(1, :others)
            RETURNING merchant_id
        )
        INSERT INTO organization_shops SELECT merchant_id, 1, :id, now(), '' FROM crowd
        """,
        others=MOST_SHOPS - 1,
        id=made.organization_id,
    )
    assert len(await one.neighbours()) == MOST_SHOPS
    code = await one.code()
    with pytest.raises(OrganizationFull):
        await other.joins(code)
    await one.leaves()


async def test_who_looks_while_the_last_shop_leaves_sees_it_before_or_after(
    process: Process,
) -> None:
    one = await a_store(process)

    async def look() -> None:
        while not await one.is_alone():
            pass

    for _ in range(20):
        await one.creates()
        looking = [asyncio.create_task(look()) for _ in range(4)]
        await one.leaves()
        await asyncio.gather(*looking)


async def test_a_shop_that_removes_the_app_leaves(process: Process) -> None:
    one, other = await two(process)
    third = await a_store(process)
    await one.creates()
    await other.joins(await one.code())
    code = await other.code()
    left = await heard(process, ORGANIZATION_LEFT, other.id)
    await other.removes_the_app()
    await eventually(one.neighbours, lambda found: found == [one.domain])
    await eventually(lambda: asyncio.sleep(0, len(left)))
    with pytest.raises(OrganizationCodeSpent):
        await third.joins(code)
    with pytest.raises(ShopNotActive):
        await other.joins(await one.code())
    # It comes back to none, and old news of its removal change nothing after it has joined anew.
    await register(process, other.domain)
    assert await other.is_alone()
    await other.joins(await one.code())
    old = auth.MerchantChanged(shop_domain=other.domain, status="uninstalled")
    await say(process, auth.MERCHANT_CHANGED, old, other.id)
    await third.creates()
    await third.removes_the_app()  # what is said later is applied later
    await eventually(third.is_alone)
    assert await one.neighbours() == [one.domain, other.domain]
    assert len(left) == 1


async def test_a_suspended_shop_stays_and_nobody_comes_in_by_its_code(process: Process) -> None:
    one, other = await two(process)
    await one.creates()
    code = await one.code()
    change = suspensions.ChangeSuspension(shop_domain=one.domain, reason="It was only a test.")
    await mesh_of(process).call(suspensions.SUSPEND_MERCHANT, change, OURS)
    with pytest.raises(OrganizationCodeSpent):
        await other.joins(code)
    await mesh_of(process).call(suspensions.RESUME_MERCHANT, change, OURS)
    assert await other.joins(code)
    assert await one.neighbours() == [one.domain, other.domain]


@pytest.mark.parametrize("error", [OrganizationCodeSpent, TooManyWrongCodes, OrganizationFull])
async def test_refusals_say_what_to_do_and_name_nobody(error: type[LoyaltyError]) -> None:
    assert error.title.endswith(".")
    assert "myshopify" not in error().detail
