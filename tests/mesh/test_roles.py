"""Roles on real servers: what a shop starts with, what its people add, and who may give what."""

import asyncio
from uuid import UUID, uuid4

import pytest

from adapters.runtime.host import Process
from contracts import auth, roles
from contracts.caller import Audience, Caller, service_caller
from contracts.roles import RoleExists
from domain.errors import DuplicateRequest, Forbidden, InvalidRequest, LoyaltyError, NotFound
from domain.rbac import DEFAULT_ROLES, CannotGrant
from tests.conftest import Run, eventually
from tests.mesh.said import AT, mesh_of, say, times_said

BUILT_IN = {role.name: tuple(sorted(role.grants)) for role in DEFAULT_ROLES}


def staff(merchant: UUID, role: str) -> Caller:
    """Somebody of the shop with one of the built-in roles."""
    return Caller(
        audience=Audience.MERCHANT,
        actor="somebody",
        merchant_id=merchant,
        role=role,
        permissions=BUILT_IN[role],
    )


async def installed(process: Process, merchant: UUID) -> None:
    body = auth.MerchantCreated(
        shop_domain="x.myshopify.com", currency="USD", time_zone="UTC", installed_at=AT
    )
    await say(process, auth.MERCHANT_CREATED, body, merchant)


async def roles_of(process: Process, merchant: UUID) -> tuple[roles.Role, ...]:
    answer = await mesh_of(process).call(
        roles.LIST_ROLES, roles.ListRoles(), staff(merchant, "owner")
    )
    return answer.roles


async def create(
    process: Process, caller: Caller, name: str, *permissions: str, key: str = ""
) -> roles.Role:
    request = roles.CreateRole(name=name, permissions=permissions)
    return await mesh_of(process).call(
        roles.CREATE_ROLE, request, caller, idempotency_key=key or str(uuid4())
    )


async def update(process: Process, caller: Caller, name: str, *permissions: str) -> roles.Role:
    request = roles.UpdateRole(name=name, permissions=permissions)
    return await mesh_of(process).call(roles.UPDATE_ROLE, request, caller)


async def test_a_new_shop_gets_the_default_roles_once(run: Run) -> None:
    merchant, other = uuid4(), uuid4()
    async with run("roles") as process:
        await installed(process, merchant)
        await installed(process, merchant)
        found = await eventually(lambda: roles_of(process, merchant))
        assert {role.name: role.permissions for role in found} == BUILT_IN
        assert all(role.built_in for role in found)
        assert [role.name for role in found] == sorted(BUILT_IN)
        one = await mesh_of(process).call(
            roles.GET_ROLE, roles.GetRole(name="viewer"), staff(merchant, "owner")
        )
        assert one in found

        # What the second event did is done when a later one shows.
        await installed(process, other)
        await eventually(
            lambda: times_said(process, roles.ROLE_CREATED, other),
            lambda times: times == len(BUILT_IN),
        )
        assert await times_said(process, roles.ROLE_CREATED, merchant) == len(BUILT_IN)


async def test_permissions_are_known_before_the_shop_is(run: Run) -> None:
    merchant = uuid4()
    gateway = service_caller("api_gateway", merchant)
    async with run("roles") as process:
        mesh = mesh_of(process)
        for name, permissions in BUILT_IN.items():
            asked = roles.PermissionsOf(role=name)
            answer = await mesh.call(roles.GET_PERMISSIONS, asked, gateway)
            assert answer.permissions == permissions
        await create(process, gateway, "clerk", "points:read")
        clerk = roles.PermissionsOf(role="clerk")
        answer = await mesh.call(roles.GET_PERMISSIONS, clerk, gateway)
        assert answer.permissions == ("points:read",)
        elsewhere = service_caller("api_gateway", uuid4())
        for caller, name in ((gateway, "nobody"), (gateway, "x\0"), (elsewhere, "clerk")):
            asked = roles.PermissionsOf(role=name)
            with pytest.raises(NotFound):
                await mesh.call(roles.GET_PERMISSIONS, asked, caller)


async def test_nobody_gives_what_they_do_not_hold(run: Run) -> None:
    merchant = uuid4()
    owner = staff(merchant, "owner")
    clerk = Caller(
        audience=Audience.MERCHANT,
        actor="clerk",
        merchant_id=merchant,
        permissions=("roles:read", "roles:write", "points:read"),
    )
    async with run("roles") as process:
        for permissions in (("points:adjust",), ("points:*",), ("points:read", "settings:write")):
            with pytest.raises(CannotGrant):
                await create(process, clerk, "mighty", *permissions)
        for permission in ("admin:full", "admin:points"):
            with pytest.raises(CannotGrant):
                await create(process, owner, "mighty", permission)
        made = await create(process, clerk, "humble", "points:read", "points:read")
        assert made.permissions == ("points:read",)
        with pytest.raises(CannotGrant):
            await update(process, clerk, "humble", "points:read", "points:adjust")
        with pytest.raises(Forbidden):
            await create(process, staff(merchant, "manager"), "any", "points:read")
        assert [role.name for role in await roles_of(process, merchant)] == ["humble"]


async def test_a_role_changes_for_its_own_shop_and_is_said_once(run: Run) -> None:
    merchant, stranger = uuid4(), uuid4()
    owner = staff(merchant, "owner")
    async with run("roles") as process:
        made = await create(process, owner, "clerk", "points:read", key="k")
        assert await create(process, owner, "clerk", "points:read", key="k") == made
        with pytest.raises(DuplicateRequest):
            await create(process, owner, "clerk", "rfm:read", key="k")
        with pytest.raises(RoleExists):
            await create(process, owner, "clerk", "points:read")

        changed = await update(process, owner, "clerk", "rfm:read", "points:*")
        assert (changed.role_id, changed.permissions) == (made.role_id, ("points:*", "rfm:read"))
        assert await update(process, owner, "clerk", "points:*", "rfm:read") == changed
        with pytest.raises(NotFound):
            await update(process, staff(stranger, "owner"), "clerk", "rfm:read")
        assert await roles_of(process, stranger) == ()

        await update(process, owner, "clerk")
        await eventually(
            lambda: times_said(process, roles.ROLE_UPDATED, merchant), lambda times: times >= 2
        )
        assert await times_said(process, roles.ROLE_UPDATED, merchant) == 2
        assert await times_said(process, roles.ROLE_CREATED, merchant) == 1


async def test_of_two_who_make_the_same_role_one_does(run: Run) -> None:
    owner = staff(uuid4(), "owner")
    async with run("roles") as process:
        found = await asyncio.gather(
            *(create(process, owner, "clerk", "points:read") for _ in range(4)),
            return_exceptions=True,
        )
        assert sorted(type(each).__name__ for each in found) == ["Role", *["RoleExists"] * 3]


async def test_built_in_roles_stay_as_they_are(run: Run) -> None:
    merchant = uuid4()
    owner = staff(merchant, "owner")
    async with run("roles") as process:
        for name in BUILT_IN:
            with pytest.raises(RoleExists):
                await create(process, owner, name, "points:read")
            with pytest.raises(Forbidden):
                await update(process, owner, name, "points:read")


async def test_everything_wrong_is_said_at_once(run: Run) -> None:
    owner = staff(uuid4(), "owner")
    async with run("roles") as process:
        with pytest.raises(InvalidRequest) as refusal:
            await create(process, owner, "Bad Name", "points:read", "nonsense", "points:Read")
        assert {each.pointer for each in refusal.value.problems} == {
            "/name", "/permissions/1", "/permissions/2",
        }  # fmt: skip
        for name in ("", "x" * 51, "x\0", "1st"):
            with pytest.raises(InvalidRequest):
                await create(process, owner, name)
            with pytest.raises(NotFound):
                await update(process, owner, name)
        with pytest.raises(LoyaltyError) as many:
            await update(process, owner, "clerk", *["points:read"] * 201)
        assert many.value.code == "INVALID_REQUEST"
