"""Roles: deny by default, rules that widen, explicit parents, no way to more than one had."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.rbac import (
    ADMIN,
    ADMIN_ROLES,
    AREAS,
    CUSTOMER,
    DEFAULT_ROLES,
    FULL,
    MOST_GENERATIONS,
    OWNER,
    CannotGrant,
    LastOwner,
    Role,
    RoleInUse,
    allows,
    check_assignment,
    check_grant,
    check_owner_remains,
    check_role_change,
    check_unused,
    effective,
    inheritance_problems,
    is_grant,
    is_permission,
    problems_of,
)

ROLES = {role.name: role.grants for role in DEFAULT_ROLES}

NEEDED = ("points:read", "points:adjust", "rfm:read", "roles:write", "admin:support")
GRANTS = (*NEEDED, "points:*", "rfm:*", FULL)
NAMES = ("a", "b", "c", "d", "e", "f")

some_grants = st.frozensets(st.sampled_from(GRANTS), max_size=4)
some_names = st.frozensets(st.sampled_from(NAMES), max_size=3)
some_roles = st.dictionaries(
    st.sampled_from(NAMES), st.tuples(some_grants, some_names), max_size=6
).map(lambda made: {name: Role(name, *each) for name, each in made.items()})
"""Any roles at all, with parents that are missing and circles among them."""


def allowed(granted: frozenset[str]) -> set[str]:
    return {needed for needed in GRANTS if allows(granted, needed)}


def above(name: str, roles: Mapping[str, Role]) -> list[list[str]]:
    """Every line of parents above a role; a circle is cut where it closes."""
    lines: list[list[str]] = []

    def climb(line: list[str]) -> None:
        role = roles.get(line[-1])
        parents = role.inherits if role is not None else frozenset[str]()
        if not parents or line[-1] in line[:-1]:
            lines.append(line)
            return
        for parent in parents:
            climb([*line, parent])

    climb([name])
    return lines


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


def test_what_is_given_and_what_is_taken_away_must_both_be_held():
    low, high = Role("low", frozenset(("points:read",))), Role("high", frozenset(("points:*",)))
    heir = Role("heir", frozenset(), frozenset(("high",)))
    roles = {"low": low, "high": high, "heir": heir}
    holder = frozenset(("points:read", "roles:write"))
    check_assignment(holder, None, "low", roles)
    check_assignment(holder, "low", None, roles)
    for before, after in (("high", "low"), ("low", "heir"), ("heir", None), (None, "high")):
        with pytest.raises(CannotGrant):
            check_assignment(holder, before, after, roles)
    check_role_change(holder, "low", roles, roles | {"low": Role("low", frozenset())})
    changed = Role("low", frozenset(), frozenset(("heir",)))
    for name, after_it in (
        ("high", roles | {"high": low}),
        ("low", roles | {"low": high}),
        ("low", roles | {"low": changed}),
        ("heir", {"low": low, "high": high}),
    ):
        with pytest.raises(CannotGrant):
            check_role_change(holder, name, roles, after_it)


def test_the_last_owner_stays():
    check_owner_remains("ann", ["ann", "bob"])
    check_owner_remains("cleo", ["ann"])
    with pytest.raises(LastOwner):
        check_owner_remains("ann", ["ann"])


def test_whoever_has_a_role_or_inherits_it_keeps_it():
    roles = {"a": Role("a", frozenset()), "b": Role("b", frozenset(), frozenset(("a",)))}
    check_unused("b", [], roles)
    for name, holders in (("a", ()), ("b", ("ann",))):
        with pytest.raises(RoleInUse):
            check_unused(name, holders, roles)


@given(some_grants, some_grants, some_grants)
def test_more_grants_never_allow_less_and_giving_hands_on_no_more(one, other, third):
    assert allowed(one) <= allowed(one | other)
    try:
        check_grant(one, other)
        check_grant(other, third)
    except CannotGrant:
        return
    check_grant(one, third)
    assert allowed(third) <= allowed(other) <= allowed(one)


@given(some_grants)
def test_a_wildcard_is_of_one_area_and_only_full_is_everything(granted):
    for needed in NEEDED:
        assert allows(granted, needed) is bool(
            granted & {needed, FULL, needed.partition(":")[0] + ":*"}
        )
    assert allows(granted, FULL) is (FULL in granted)


@given(some_roles, st.sampled_from(NAMES))
def test_a_role_holds_its_own_grants_and_those_of_its_line_and_nothing_else(roles, name):
    expected = {
        grant
        for line in above(name, roles)
        for each in line
        if each in roles
        for grant in roles[each].grants
    }
    assert effective(name, roles) == expected


@given(some_roles, st.sampled_from(NAMES), some_grants, some_names, st.sampled_from(NAMES))
def test_a_role_that_is_given_more_takes_nothing_from_any(roles, name, grants, parents, other):
    known = roles.get(name, Role(name, frozenset()))
    more = roles | {name: Role(name, known.grants | grants, known.inherits | parents)}
    assert effective(other, roles) <= effective(other, more)


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=3))))
def test_what_may_inherit_is_known_never_goes_in_a_circle_and_has_an_end(attempts):
    roles: dict[str, Role] = {}
    for name, parents in attempts:
        if not inheritance_problems(name, parents, roles):
            roles[name] = Role(name, frozenset(), frozenset(parents))
    for name in roles:
        for line in above(name, roles):
            assert set(line) <= set(roles)
            assert len(line) == len(set(line))
            assert len(line) - 1 <= MOST_GENERATIONS


@pytest.mark.parametrize(
    ("inherits", "pointers"),
    [
        (["b", "nobody", "a"], ["/inherits/1", "/inherits/2"]),
        (["b", "c"], ["/inherits/1"]),
        (["b"], []),
    ],
)
def test_every_wrong_parent_is_named(inherits, pointers):
    roles = {"a": Role("a", frozenset()), "b": Role("b", frozenset())}
    roles["c"] = Role("c", frozenset(), frozenset(("a",)))
    assert [each.pointer for each in inheritance_problems("a", inherits, roles)] == pointers


def test_a_line_is_no_longer_than_allowed_wherever_it_grows():
    roles = {"r0": Role("r0", frozenset())}
    for number in range(1, MOST_GENERATIONS + 1):
        parents = [f"r{number - 1}"]
        assert inheritance_problems(f"r{number}", parents, roles) == []
        roles[f"r{number}"] = Role(f"r{number}", frozenset(), frozenset(parents))
    roles["top"] = Role("top", frozenset())
    assert [
        each.pointer for each in inheritance_problems("x", [f"r{MOST_GENERATIONS}"], roles)
    ] == ["/inherits"]
    assert [each.pointer for each in inheritance_problems("r0", ["top"], roles)] == ["/inherits"]


@dataclass
class Shop:
    """The roles of a shop and who has them, changed as the rules allow."""

    roles: dict[str, Role]
    people: dict[str, str] = field(default_factory=dict)

    def holds(self, person: str) -> frozenset[str]:
        role = self.people.get(person)
        return frozenset() if role is None else effective(role, self.roles)

    def put(self, by: str, role: Role) -> None:
        if role.name == OWNER or inheritance_problems(role.name, list(role.inherits), self.roles):
            return
        after = self.roles | {role.name: role}
        check_role_change(self.holds(by), role.name, self.roles, after)
        self.roles = after

    def delete(self, by: str, name: str) -> None:
        if name == OWNER or name not in self.roles:
            return
        after = {each: role for each, role in self.roles.items() if each != name}
        check_role_change(self.holds(by), name, self.roles, after)
        check_unused(name, [who for who, role in self.people.items() if role == name], after)
        self.roles = after

    def give(self, by: str, person: str, name: str | None) -> None:
        if name is not None and name not in self.roles:
            return
        before = self.people.get(person)
        check_assignment(self.holds(by), before, name, self.roles)
        if before == OWNER and name != OWNER:
            owners = [who for who, role in self.people.items() if role == OWNER]
            check_owner_remains(person, owners)
        self.people.pop(person, None)
        if name is not None:
            self.people[person] = name


THIEVES = ("mallory", "oscar")
PEOPLE = ("ann", *THIEVES)
FEW = NAMES[:4]
made_up = st.builds(
    Role,
    st.sampled_from(FEW),
    st.frozensets(st.sampled_from(("points:read", "points:*", "rfm:read")), max_size=2),
    st.frozensets(st.sampled_from(FEW), max_size=2),
)
steps = st.one_of(
    st.tuples(st.just("put"), made_up),
    st.tuples(st.just("delete"), st.sampled_from(FEW)),
    st.tuples(
        st.just("give"),
        st.sampled_from(PEOPLE),
        st.one_of(st.none(), st.sampled_from((*FEW, OWNER))),
    ),
)


@given(
    st.lists(made_up, min_size=2, max_size=5),
    st.dictionaries(st.sampled_from(PEOPLE), st.sampled_from(FEW), min_size=2),
    st.lists(st.tuples(st.sampled_from(THIEVES), steps), min_size=1, max_size=12),
)
@settings(max_examples=300)
def test_no_row_of_steps_leads_to_more_than_those_who_take_them_had(made, people, attempts):
    """Neither for themselves nor for anybody else, and nobody who holds more loses any of it."""
    everything = Role(OWNER, frozenset(GRANTS))
    shop = Shop({OWNER: everything}, {"owner": OWNER})
    for role in made:
        shop.put("owner", role)
    for person, name in people.items():
        shop.give("owner", person, name)
    before = {person: allowed(shop.holds(person)) for person in PEOPLE}
    theirs = frozenset[str]().union(*(shop.holds(thief) for thief in THIEVES))
    within_reach = allowed(theirs)
    for thief, (what, *given_) in attempts:
        try:
            getattr(shop, what)(thief, *given_)
        except (CannotGrant, RoleInUse, LastOwner):
            continue
    for person in PEOPLE:
        now = allowed(shop.holds(person))
        assert now <= before[person] | within_reach
        assert before[person] - within_reach <= now
    assert OWNER in shop.people.values()
