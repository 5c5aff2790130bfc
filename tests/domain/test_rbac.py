"""Roles: deny by default, two rules that widen, nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.rbac import (
    ADMIN,
    ADMIN_ROLES,
    AREAS,
    CUSTOMER,
    DEFAULT_ROLES,
    FULL,
    CannotGrant,
    LastOwner,
    allows,
    check_grant,
    check_owner_remains,
    is_grant,
    is_permission,
    problems_of,
)

ROLES = {role.name: role.grants for role in DEFAULT_ROLES}


@pytest.mark.parametrize(
    ("granted", "needed", "allowed"),
    [
        ((), "points:read", False),
        (("points:read",), "points:read", True),
        (("points:read",), "points:adjust", False),
        (("points:*",), "points:adjust", True),
        (("points:*",), "customers:read", False),
        ((FULL,), "points:adjust", True),
        ((FULL,), "admin:support", True),
        (("admin:support",), "admin:full", False),
        (("admin:*",), "admin:full", False),
        (("*",), "points:read", False),
        (("*:*",), "points:read", False),
        (("points",), "points:read", False),
    ],
)
def test_allows(granted, needed, allowed):
    assert allows(frozenset(granted), needed) is allowed


@given(st.text(max_size=12))
def test_nothing_allows_nothing(needed):
    assert not allows(frozenset(), needed)


def test_what_is_a_permission():
    for fine in ("points:read", "rewards:redeem", *ADMIN):
        assert is_permission(fine)
    for wrong in (
        "points",
        "points:",
        ":read",
        "points:*",
        "points:Read",
        "paints:read",
        "admin:x",
    ):
        assert not is_permission(wrong)
    assert is_grant("points:*")
    assert not is_grant("admin:*")
    assert not is_grant("*")
    assert [p.pointer for p in problems_of(["points:read", "*", "x"])] == [
        "/permissions/1",
        "/permissions/2",
    ]


def test_the_roles_of_our_own_staff():
    held = {role.name: role.grants for role in ADMIN_ROLES}
    assert list(held) == ["superadmin", "analyst", "support", "points"]
    assert frozenset().union(*held.values()) == ADMIN
    assert [name for name, grants in held.items() if FULL in grants] == ["superadmin"]
    assert not allows(held["support"], "admin:points")


def test_the_default_roles():
    assert list(ROLES) == ["owner", "manager", "support", "analyst", "viewer", "customer"]
    assert all(is_grant(grant) for grants in ROLES.values() for grant in grants)
    assert all(allows(ROLES["owner"], f"{area}:write") for area in AREAS)
    assert not any(allows(grants, needed) for grants in ROLES.values() for needed in ADMIN)
    assert not allows(ROLES["manager"], "roles:write")
    assert allows(ROLES["support"], "points:adjust")
    assert not allows(ROLES["analyst"], "customers:write")
    assert all(grant.endswith(":read") for grant in ROLES["viewer"])
    assert not allows(ROLES[CUSTOMER], "customers:read")


def test_nobody_grants_what_they_do_not_hold():
    check_grant(ROLES["owner"], ROLES["manager"])
    check_grant(frozenset((FULL,)), ADMIN)
    for wrong in ("points:*", "roles:write", FULL):
        with pytest.raises(CannotGrant):
            check_grant(ROLES["support"], [wrong])


def test_the_last_owner_stays():
    check_owner_remains("ann", ["ann", "bob"])
    check_owner_remains("cleo", ["ann"])
    with pytest.raises(LastOwner):
        check_owner_remains("ann", ["ann"])
