"""A shop's staff on real servers: invited, met at their log-in, shown with the role that counts."""

import msgspec
import pytest

from contracts import roles, users
from contracts.caller import Caller, service_caller
from contracts.roles import AdmitStaff, AssignRole, GetAssignment
from contracts.shop import member_id
from contracts.users import UserExists
from domain.errors import Forbidden, InvalidRequest, NotFound
from domain.rbac import CannotGrant, LastOwner
from tests.conftest import Run, eventually
from tests.mesh.people import GRANTS, Shop, open_shop, running
from tests.mesh.said import mesh_of, times_said


async def logs_in(one: Shop, number: int) -> str:
    """As auth does it for a session token that was checked; the role they have after."""
    request = AdmitStaff(subject=f"staff:{number}")
    caller = service_caller("auth", one.id)
    return (await mesh_of(one.process).call(roles.ADMIT_STAFF, request, caller)).role


async def role_of(one: Shop, number: int) -> str:
    request = GetAssignment(subject=f"staff:{number}")
    caller = service_caller("test", one.id)
    return (await mesh_of(one.process).call(roles.GET_ASSIGNMENT, request, caller)).role


async def staff_of(one: Shop) -> dict[str, str]:
    """Roles by subject, or by e-mail address where there is none."""
    return {
        user.subject or user.email: user.role for user in (await one.listed(kind="staff")).users
    }


async def lists(one: Shop, **expected: str) -> None:
    wanted = {
        f"staff:{key[1:]}" if key[1:].isdigit() else key: role for key, role in expected.items()
    }
    await eventually(lambda: staff_of(one), lambda found: found == wanted)


async def link(
    one: Shop, user_id: object, number: object, caller: Caller | None = None
) -> users.User:
    request = msgspec.convert(
        {"user_id": str(user_id), "shopify_staff_id": str(number)}, users.LinkStaff
    )
    return await mesh_of(one.process).call(users.LINK_STAFF, request, caller or one.staff())


async def remove(one: Shop, user_id: object, caller: Caller | None = None) -> users.StaffRemoved:
    request = msgspec.convert({"user_id": str(user_id)}, users.RemoveStaff)
    return await mesh_of(one.process).call(users.REMOVE_STAFF, request, caller or one.staff())


async def by_subject(one: Shop, number: int) -> users.User:
    found = (await one.listed(kind="staff")).users
    return next(user for user in found if user.subject == f"staff:{number}")


async def test_whoever_logs_in_is_met_and_shown_with_the_role_they_have_now(run: Run) -> None:
    async with running(run, "roles") as one:
        assert await logs_in(one, 1) == "owner"
        assert await logs_in(one, 2) == "viewer"
        await lists(one, s1="owner", s2="viewer")
        assert await logs_in(one, 2) == "viewer"
        # What roles says counts at once, and a name is added like anybody's.
        request = AssignRole(subject="staff:2", role="support")
        await mesh_of(one.process).call(roles.ASSIGN_ROLE, request, one.staff())
        two = await by_subject(one, 2)
        assert two.role == "support"
        await one.update(two.user_id, first_name="Grace", email="grace@x.example")
        (found,) = (await one.listed(kind="staff", search="grace")).users
        assert (found.subject, found.role, found.email) == ("staff:2", "support", "grace@x.example")
        (found,) = (await one.listed(kind="staff", email="grace@x.example")).users
        assert found.role == "support"
        asked = users.GetUser(user_id=two.user_id)
        assert (
            await mesh_of(one.process).call(users.GET_USER, asked, one.staff())
        ).role == "support"
        taken = roles.RemoveAssignment(subject="staff:2")
        await mesh_of(one.process).call(roles.REMOVE_ASSIGNMENT, taken, one.staff())
        assert (await by_subject(one, 2)).role == ""
        assert await times_said(one.process, users.USER_CREATED, one.id) == 2
        other = await open_shop(one.process)
        assert await staff_of(other) == {}


async def test_an_invitation_is_for_whoever_the_owner_says(run: Run) -> None:
    async with running(run, "roles") as one:
        await logs_in(one, 1)
        early = await one.create("early@x.example", kind="staff", role="manager")
        late = await one.create("late@x.example", kind="staff", role="support")
        await logs_in(one, 3)
        await eventually(lambda: staff_of(one), lambda found: "staff:3" in found)
        assert (await staff_of(one))["late@x.example"] == "support"

        # One who has not logged in yet, and one who has: nameless until now, and one afterwards.
        linked = await link(one, early.user_id, 2)
        assert (linked.subject, linked.role, linked.email) == (
            "staff:2",
            "manager",
            "early@x.example",
        )
        assert await logs_in(one, 2) == "manager"
        linked = await link(one, late.user_id, 3)
        assert (linked.user_id, linked.role) == (late.user_id, "support")
        assert await role_of(one, 3) == "support"
        assert await link(one, late.user_id, 3) == linked
        await lists(one, s1="owner", s2="manager", s3="support")

        other = await one.create("other@x.example", kind="staff", role="viewer")
        with pytest.raises(UserExists):
            await link(one, other.user_id, 2)
        with pytest.raises(InvalidRequest):
            await link(one, late.user_id, 4)
        for number in ("", "x", "0", "1 ", "²", "1" * 20):
            with pytest.raises(InvalidRequest) as refusal:
                await link(one, other.user_id, number)
            assert [each.pointer for each in refusal.value.problems] == ["/shopify_staff_id"]


async def test_staff_is_removed_and_can_come_back_by_invitation(run: Run) -> None:
    async with running(run, "roles") as one:
        await logs_in(one, 1)
        await logs_in(one, 2)
        await lists(one, s1="owner", s2="viewer")
        two = await by_subject(one, 2)
        await one.update(two.user_id, first_name="Grace", email="grace@x.example")
        assert (await remove(one, two.user_id)).role == "viewer"
        assert await role_of(one, 2) == ""
        assert await staff_of(one) == {"staff:1": "owner"}
        assert (await one.listed(kind="staff", search="grace")).users == ()
        with pytest.raises(NotFound):
            await remove(one, two.user_id)
        assert await logs_in(one, 2) == ""
        with pytest.raises(LastOwner):
            await remove(one, (await by_subject(one, 1)).user_id)
        assert await staff_of(one) == {"staff:1": "owner"}

        invited = await one.create("grace@x.example", kind="staff", role="support")
        assert (await remove(one, invited.user_id)).role == "support"
        again = await one.create("grace@x.example", kind="staff", role="support")
        await link(one, again.user_id, 2)
        assert await logs_in(one, 2) == "support"
        await lists(one, s1="owner", s2="support")


async def test_nobody_links_or_removes_more_than_they_hold(run: Run) -> None:
    async with running(run, "roles") as one:
        await logs_in(one, 1)
        await logs_in(one, 2)
        await lists(one, s1="owner", s2="viewer")
        keeper = msgspec.structs.replace(
            one.staff("support"), permissions=(*GRANTS["support"], "roles:write")
        )
        boss = await one.create("boss@x.example", kind="staff", role="owner")
        clerk = await one.create("clerk@x.example", kind="staff", role="support")
        with pytest.raises(CannotGrant):
            await link(one, boss.user_id, 5, keeper)
        with pytest.raises(CannotGrant):
            await link(one, clerk.user_id, 1, keeper)  # who is the owner
        with pytest.raises(CannotGrant):
            await remove(one, (await by_subject(one, 1)).user_id, keeper)
        assert await role_of(one, 1) == "owner"
        assert await role_of(one, 5) == ""
        for role in ("support", "viewer"):
            with pytest.raises(Forbidden):
                await link(one, clerk.user_id, 6, one.staff(role))
            with pytest.raises(Forbidden):
                await remove(one, clerk.user_id, one.staff(role))
        assert (await link(one, clerk.user_id, 6, keeper)).role == "support"
        # A customer is no member of staff, and neither is another shop's.
        customer = await one.create("c@x.example", shopify_customer_id="77")
        other = await open_shop(one.process)
        for user_id, caller in (
            (customer.user_id, one.staff()),
            (clerk.user_id, other.staff()),
            (member_id(one.id, "1"), one.staff()),
        ):
            with pytest.raises(NotFound):
                await link(one, user_id, 8, caller)
            with pytest.raises(NotFound):
                await remove(one, user_id, caller)
