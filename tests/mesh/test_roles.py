"""Roles on real servers: what a shop starts with, what its people add, who may give what, and who
has which."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from adapters.runtime.host import Process
from contracts import auth, roles
from contracts.caller import Audience, Caller, service_caller
from contracts.roles import RoleExists, RoleLimit
from domain.errors import (
    DuplicateRequest,
    Forbidden,
    InvalidRequest,
    LoyaltyError,
    NotFound,
)
from domain.rbac import DEFAULT_ROLES, MOST_GENERATIONS, CannotGrant, LastOwner, RoleInUse
from services.roles.book import MOST_ROLES
from tests.conftest import Run, eventually
from tests.mesh.said import AT, heard, mesh_of, say, times_said

pytestmark = pytest.mark.asyncio(loop_scope="module")

BUILT_IN = {role.name: tuple(sorted(role.grants)) for role in DEFAULT_ROLES}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process(run: Run) -> AsyncIterator[Process]:
    async with run("roles") as running:
        yield running


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
    process: Process,
    caller: Caller,
    name: str,
    *permissions: str,
    key: str = "",
    inherits: Sequence[str] = (),
) -> roles.Role:
    request = roles.CreateRole(name=name, permissions=permissions, inherits=tuple(inherits))
    return await mesh_of(process).call(
        roles.CREATE_ROLE, request, caller, idempotency_key=key or str(uuid4())
    )


async def update(
    process: Process,
    caller: Caller,
    name: str,
    *permissions: str,
    inherits: Sequence[str] | None = None,
) -> roles.Role:
    parents = None if inherits is None else tuple(inherits)
    request = roles.UpdateRole(name=name, permissions=permissions, inherits=parents)
    return await mesh_of(process).call(roles.UPDATE_ROLE, request, caller)


async def delete(process: Process, caller: Caller, name: str) -> roles.RoleGone:
    return await mesh_of(process).call(roles.DELETE_ROLE, roles.DeleteRole(name=name), caller)


async def admit(process: Process, merchant: UUID, subject: str) -> str:
    answer = await mesh_of(process).call(
        roles.ADMIT_STAFF, roles.AdmitStaff(subject=subject), service_caller("auth", merchant)
    )
    return answer.role


async def assign(process: Process, caller: Caller, subject: str, role: str) -> roles.Assignment:
    request = roles.AssignRole(subject=subject, role=role)
    return await mesh_of(process).call(roles.ASSIGN_ROLE, request, caller)


async def remove(process: Process, caller: Caller, subject: str) -> roles.Assignment:
    request = roles.RemoveAssignment(subject=subject)
    return await mesh_of(process).call(roles.REMOVE_ASSIGNMENT, request, caller)


async def assigned(process: Process, merchant: UUID, subject: str) -> roles.Assigned:
    return await mesh_of(process).call(
        roles.GET_ASSIGNMENT, roles.GetAssignment(subject=subject), service_caller("test", merchant)
    )


async def staff_of(process: Process, caller: Caller, limit: int = 50) -> list[tuple[str, str]]:
    """All (subject, role), page by page."""
    found: list[tuple[str, str]] = []
    cursor: str | None = None
    while True:
        page = await mesh_of(process).call(
            roles.LIST_ASSIGNMENTS, roles.ListAssignments(limit=limit, cursor=cursor), caller
        )
        assert len(page.assignments) <= limit
        found += [(each.subject, each.role) for each in page.assignments]
        cursor = page.next_cursor
        if cursor is None:
            return found


async def test_a_new_shop_gets_the_default_roles_once(process: Process) -> None:
    merchant, other = uuid4(), uuid4()
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


async def test_permissions_are_known_before_the_shop_is(process: Process) -> None:
    merchant = uuid4()
    gateway = service_caller("api_gateway", merchant)
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
    for caller, name in ((gateway, "nobody"), (gateway, "x y"), (elsewhere, "clerk")):
        asked = roles.PermissionsOf(role=name)
        with pytest.raises(NotFound):
            await mesh.call(roles.GET_PERMISSIONS, asked, caller)


async def test_nobody_gives_what_they_do_not_hold(process: Process) -> None:
    merchant = uuid4()
    owner = staff(merchant, "owner")
    clerk = Caller(
        audience=Audience.MERCHANT,
        actor="clerk",
        merchant_id=merchant,
        permissions=("roles:read", "roles:write", "points:read"),
    )
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


async def test_a_role_changes_for_its_own_shop_and_is_said_once(process: Process) -> None:
    merchant, stranger = uuid4(), uuid4()
    owner = staff(merchant, "owner")
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


async def test_of_two_who_make_the_same_role_one_does(process: Process) -> None:
    owner = staff(uuid4(), "owner")
    found = await asyncio.gather(
        *(create(process, owner, "clerk", "points:read") for _ in range(4)),
        return_exceptions=True,
    )
    assert sorted(type(each).__name__ for each in found) == ["Role", *["RoleExists"] * 3]


async def test_built_in_roles_stay_as_they_are(process: Process) -> None:
    merchant = uuid4()
    owner = staff(merchant, "owner")
    for name in BUILT_IN:
        with pytest.raises(RoleExists):
            await create(process, owner, name, "points:read")
        with pytest.raises(Forbidden):
            await update(process, owner, name, "points:read")


async def test_everything_wrong_is_said_at_once(process: Process) -> None:
    owner = staff(uuid4(), "owner")
    with pytest.raises(InvalidRequest) as refusal:
        await create(process, owner, "Bad Name", "points:read", "nonsense", "points:Read")
    assert {each.pointer for each in refusal.value.problems} == {
        "/name", "/permissions/1", "/permissions/2",
    }  # fmt: skip
    for name in ("", "x" * 51, "x y", "1st"):
        with pytest.raises(InvalidRequest):
            await create(process, owner, name)
        with pytest.raises(NotFound):
            await update(process, owner, name)
    with pytest.raises(LoyaltyError) as many:
        await update(process, owner, "clerk", *["points:read"] * 201)
    assert many.value.code == "INVALID_REQUEST"


async def test_the_first_to_log_in_owns_the_shop(process: Process) -> None:
    merchant, other = uuid4(), uuid4()
    said = await heard(process, roles.ROLE_ASSIGNED, merchant)
    assert await admit(process, merchant, "staff:1") == "owner"
    assert await admit(process, merchant, "staff:2") == "viewer"
    assert await admit(process, merchant, "staff:1") == "owner"
    assert await admit(process, other, "staff:2") == "owner"
    await assign(process, staff(merchant, "owner"), "staff:2", "support")
    assert await admit(process, merchant, "staff:2") == "support"
    assert (await assigned(process, merchant, "staff:1")).permissions == BUILT_IN["owner"]
    for nobody in ("staff:3", "", "x y", "x" * 201):
        found = await assigned(process, merchant, nobody)
        assert (found.role, found.permissions) == ("", ())
    await eventually(lambda: now(said), lambda bodies: len(bodies) == 3)
    assert [(each.subject, each.role, each.before) for each in said] == [
        ("staff:1", "owner", ""), ("staff:2", "viewer", ""), ("staff:2", "support", "viewer"),
    ]  # fmt: skip


async def now(bodies: list[Any]) -> list[Any]:
    return bodies


async def test_of_those_who_log_in_at_once_one_owns_the_shop(process: Process) -> None:
    for _ in range(3):
        merchant = uuid4()
        found = await asyncio.gather(
            *(admit(process, merchant, f"staff:{number % 4}") for number in range(8))
        )
        owner = staff(merchant, "owner")
        listed = await staff_of(process, owner, limit=2)
        assert [subject for subject, _ in listed] == [f"staff:{each}" for each in range(4)]
        assert sorted(role for _, role in listed) == ["owner", "viewer", "viewer", "viewer"]
        assert found == [dict(listed)[f"staff:{number % 4}"] for number in range(8)]


async def test_nobody_hands_out_or_takes_away_more_than_they_hold(process: Process) -> None:
    merchant = uuid4()
    owner = staff(merchant, "owner")
    await admit(process, merchant, "boss")
    clerk = Caller(
        audience=Audience.MERCHANT,
        actor="clerk",
        merchant_id=merchant,
        permissions=("points:read", "roles:*"),
    )
    await create(process, owner, "reader", "points:read")
    await create(process, owner, "above", "points:adjust", inherits=["reader"])
    await assign(process, owner, "deputy", "above")
    assert (await assign(process, clerk, "new", "reader")).role == "reader"
    for role in ("owner", "viewer", "above"):
        with pytest.raises(CannotGrant):
            await assign(process, clerk, "clerk", role)
    for subject in ("boss", "deputy"):
        with pytest.raises(CannotGrant):
            await assign(process, clerk, subject, "reader")
        with pytest.raises(CannotGrant):
            await remove(process, clerk, subject)
    with pytest.raises(CannotGrant):
        await update(process, clerk, "above", "points:read")
    with pytest.raises(CannotGrant):
        await delete(process, clerk, "above")
    with pytest.raises(CannotGrant):
        await create(process, clerk, "heir", inherits=["above"])
    with pytest.raises(CannotGrant):
        await update(process, clerk, "reader", "points:read", inherits=["viewer"])
    with pytest.raises(Forbidden):
        await assign(process, staff(merchant, "manager"), "new", "viewer")
    assert await staff_of(process, owner) == [
        ("boss", "owner"), ("deputy", "above"), ("new", "reader"),
    ]  # fmt: skip


async def test_the_last_owner_stays(process: Process) -> None:
    merchant = uuid4()
    owner = staff(merchant, "owner")
    for _ in range(3):
        await assign(process, owner, "ann", "owner")
        await assign(process, owner, "bob", "owner")
        found = await asyncio.gather(
            assign(process, owner, "ann", "viewer"),
            remove(process, owner, "bob"),
            return_exceptions=True,
        )
        assert sorted(isinstance(each, LastOwner) for each in found) == [False, True]
        (last,) = [who for who, role in await staff_of(process, owner) if role == "owner"]
        with pytest.raises(LastOwner):
            await remove(process, owner, last)
        with pytest.raises(LastOwner):
            await assign(process, service_caller("test", merchant), last, "manager")
        assert (await assign(process, owner, last, "owner")).role == "owner"


async def test_versions_are_told_of_many_shops_at_once(process: Process) -> None:
    changed, untouched = uuid4(), uuid4()
    await admit(process, changed, "boss")
    asked = roles.GetVersions(merchant_ids=(untouched, changed))
    # As the gateway asks, which is in no shop.
    answer = await mesh_of(process).call(roles.GET_VERSIONS, asked, service_caller("api_gateway"))
    assert answer.versions == (0, (await assigned(process, changed, "boss")).version)
    assert answer.versions[1] > 0


async def test_another_shops_staff_is_out_of_reach(process: Process) -> None:
    merchant, stranger = uuid4(), staff(uuid4(), "owner")
    await admit(process, merchant, "boss")
    await create(process, staff(merchant, "owner"), "clerk", "points:read")
    await assign(process, staff(merchant, "owner"), "ann", "clerk")
    said = await times_said(process, roles.ROLE_ASSIGNED, merchant)
    assert await staff_of(process, stranger) == []
    for attempt in (
        remove(process, stranger, "boss"),
        delete(process, stranger, "clerk"),
        update(process, stranger, "clerk", "points:read"),
    ):
        with pytest.raises(NotFound):
            await attempt
    with pytest.raises(InvalidRequest):
        await assign(process, stranger, "ann", "clerk")
    await assign(process, stranger, "ann", "viewer")
    assert (await assigned(process, merchant, "ann")).role == "clerk"
    assert await times_said(process, roles.ROLE_ASSIGNED, merchant) == said


async def test_who_loses_a_role_may_do_nothing(process: Process) -> None:
    merchant = uuid4()
    owner = staff(merchant, "owner")
    said = await heard(process, roles.ROLE_UNASSIGNED, merchant)
    await assign(process, owner, "ann", "manager")
    before = await assigned(process, merchant, "ann")
    assert (await remove(process, owner, "ann")).role == "manager"
    after = await assigned(process, merchant, "ann")
    assert (after.role, after.permissions) == ("", ())
    assert after.version > before.version
    for subject in ("ann", "", "x y"):
        with pytest.raises(NotFound):
            await remove(process, owner, subject)
    # Nor does it come back by logging in, only by being given again.
    assert await admit(process, merchant, "ann") == ""
    assert await staff_of(process, owner) == []
    await eventually(lambda: now(said))
    assert said == [roles.RoleUnassigned(subject="ann", role="manager")]
    await assign(process, owner, "ann", "support")
    assert await admit(process, merchant, "ann") == "support"


async def test_a_role_holds_what_its_parents_hold_and_comes_to_hold(process: Process) -> None:
    merchant = uuid4()
    owner = staff(merchant, "owner")
    await create(process, owner, "reader", "points:read")
    made = await create(process, owner, "clerk", "rfm:read", inherits=["reader", "reader"])
    assert (made.permissions, made.inherits) == (("rfm:read",), ("reader",))
    assert made.effective == ("points:read", "rfm:read")
    await assign(process, owner, "ann", "clerk")
    await update(process, owner, "reader", "points:*")
    assert (await assigned(process, merchant, "ann")).permissions == ("points:*", "rfm:read")
    # What is not said of the parents leaves them, an empty list takes them away.
    assert (await update(process, owner, "clerk")).effective == ("points:*",)
    assert (await update(process, owner, "clerk", inherits=[])).effective == ()
    built_in = await update(process, owner, "clerk", inherits=["viewer"])
    assert built_in.effective == BUILT_IN["viewer"]


async def test_roles_do_not_inherit_in_a_circle(process: Process) -> None:
    owner = staff(uuid4(), "owner")
    for one, two in (("a1", "b1"), ("a2", "b2"), ("a3", "b3")):
        await create(process, owner, one, "points:read")
        await create(process, owner, two, "rfm:read")
        found = await asyncio.gather(
            update(process, owner, one, inherits=[two]),
            update(process, owner, two, inherits=[one]),
            return_exceptions=True,
        )
        assert sorted(isinstance(each, InvalidRequest) for each in found) == [False, True]
    for parents in (["nobody"], ["a1", "x y"], ["viewer"] * 21):
        with pytest.raises(InvalidRequest):
            await create(process, owner, "other", inherits=[*parents, "other"])
    line = ["l0"]
    await create(process, owner, "l0")
    for number in range(1, MOST_GENERATIONS + 1):
        await create(process, owner, f"l{number}", inherits=line[-1:])
        line.append(f"l{number}")
    with pytest.raises(InvalidRequest):
        await create(process, owner, "deeper", inherits=line[-1:])
    with pytest.raises(InvalidRequest):
        await update(process, owner, "l0", inherits=["viewer"])


async def test_a_role_in_use_is_not_removed(process: Process) -> None:
    merchant = uuid4()
    owner = staff(merchant, "owner")
    await create(process, owner, "clerk", "points:read", key="k")
    await create(process, owner, "senior", inherits=["clerk"])
    with pytest.raises(RoleInUse):
        await delete(process, owner, "clerk")
    await update(process, owner, "senior", inherits=[])
    await assign(process, owner, "ann", "clerk")
    with pytest.raises(RoleInUse):
        await delete(process, owner, "clerk")
    await remove(process, owner, "ann")
    # Whoever comes first: a role is either given to somebody or gone.
    found = await asyncio.gather(
        delete(process, owner, "clerk"),
        assign(process, owner, "ann", "clerk"),
        return_exceptions=True,
    )
    expected = (RoleInUse, InvalidRequest)
    assert sorted(isinstance(each, expected) for each in found) == [False, True]
    if (await assigned(process, merchant, "ann")).role:
        await remove(process, owner, "ann")
        await delete(process, owner, "clerk")
    with pytest.raises(NotFound):
        await delete(process, owner, "clerk")
    with pytest.raises(Forbidden):
        await delete(process, owner, "viewer")
    await eventually(
        lambda: times_said(process, roles.ROLE_DELETED, merchant), lambda times: times == 1
    )


async def test_rubbish_is_refused_with_all_that_is_wrong(process: Process) -> None:
    owner = staff(uuid4(), "owner")
    for subject in ("", "x y", "somebody@example.com", "x" * 201, "two words"):
        with pytest.raises(InvalidRequest) as refusal:
            await assign(process, owner, subject, "customer")
        assert [each.pointer for each in refusal.value.problems] == ["/subject", "/role"]
        with pytest.raises(InvalidRequest):
            await admit(process, owner.tenant, subject)
    for cursor in ("x", "\u00e4", "AAA=", "=", "eCB5"):
        request = roles.ListAssignments(cursor=cursor, limit=0)
        with pytest.raises(InvalidRequest) as refusal:
            await mesh_of(process).call(roles.LIST_ASSIGNMENTS, request, owner)
        assert [each.pointer for each in refusal.value.problems] == ["/limit", "/cursor"]


async def test_a_shop_has_so_many_roles_and_no_more(process: Process) -> None:
    merchant = uuid4()
    owner = staff(merchant, "owner")
    await installed(process, merchant)
    await eventually(lambda: roles_of(process, merchant))
    for number in range(MOST_ROLES):
        await create(process, owner, f"role{number}")
    with pytest.raises(RoleLimit):
        await create(process, owner, "one_more")
