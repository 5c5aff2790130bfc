"""Roles: named sets of permissions, per shop, and who of its staff has which."""

from typing import Final
from uuid import UUID

from contracts.kit import (
    INTERNAL,
    Body,
    Contracts,
    Event,
    Idempotency,
    Instant,
    Operation,
    Page,
    Request,
    Response,
    get,
    post,
)
from domain.errors import (
    DuplicateRequest,
    Forbidden,
    InvalidRequest,
    Kind,
    LoyaltyError,
    NotFound,
)
from domain.rbac import CannotGrant, LastOwner, RoleInUse

_ROLES: Final = "roles"


class RoleExists(LoyaltyError):
    code = "ROLE_EXISTS"
    kind = Kind.CONFLICT
    title = "The shop already has a role of that name."


class RoleLimit(LoyaltyError):
    code = "ROLE_LIMIT"
    kind = Kind.REFUSED
    title = "The shop has as many roles as it may have."


class GetRole(Request, frozen=True, kw_only=True):
    name: str


class Role(Response, frozen=True, kw_only=True):
    """A role. ``permissions`` are its own, sorted; ``inherits`` names the roles whose permissions
    it holds besides, sorted; ``effective`` is all that it may do. Built-in roles are the same in
    every shop and inherit nothing."""

    role_id: UUID
    name: str
    permissions: tuple[str, ...]
    built_in: bool
    updated_at: Instant
    inherits: tuple[str, ...] = ()
    effective: tuple[str, ...] = ()


GET_ROLE: Final = Operation(
    "roles.v1.GetRole",
    GetRole,
    Role,
    permission="roles:read",
    summary="A role of the shop by its name.",
    http=get("/v1/api/roles/get"),
    errors=(NotFound,),
)


class ListRoles(Request, frozen=True, kw_only=True):
    pass


class Roles(Response, frozen=True, kw_only=True):
    roles: tuple[Role, ...]


LIST_ROLES: Final = Operation(
    "roles.v1.ListRoles",
    ListRoles,
    Roles,
    permission="roles:read",
    summary="All roles of the shop, by name.",
    http=get("/v1/api/roles"),
)


class CreateRole(Request, frozen=True, kw_only=True):
    """``name`` is 1 to 50 lower-case letters, digits and underscores; a permission is
    ``area:action`` or ``area:*``. ``inherits`` names roles of the shop whose permissions the new
    one is to hold too, now and after they change."""

    name: str
    permissions: tuple[str, ...]
    inherits: tuple[str, ...] = ()


CREATE_ROLE: Final = Operation(
    "roles.v1.CreateRole",
    CreateRole,
    Role,
    permission="roles:write",
    summary="A new role; nobody grants what they do not hold.",
    http=post("/v1/api/roles/create", status=201),
    errors=(Forbidden, CannotGrant, InvalidRequest, RoleExists, RoleLimit, DuplicateRequest),
    idempotency=Idempotency.KEY,
)


class UpdateRole(Request, frozen=True, kw_only=True):
    """``permissions`` is all that the role may do by itself from now on, ``inherits`` all that it
    inherits; without it, that stays as it is."""

    name: str
    permissions: tuple[str, ...]
    inherits: tuple[str, ...] | None = None


UPDATE_ROLE: Final = Operation(
    "roles.v1.UpdateRole",
    UpdateRole,
    Role,
    permission="roles:write",
    summary="Change what a role may do; built-in roles stay as they are.",
    http=post("/v1/api/roles/update"),
    errors=(NotFound, Forbidden, CannotGrant, InvalidRequest),
    idempotency=Idempotency.NATURAL,
)


class DeleteRole(Request, frozen=True, kw_only=True):
    name: str


class RoleGone(Response, frozen=True, kw_only=True):
    role_id: UUID
    name: str


DELETE_ROLE: Final = Operation(
    "roles.v1.DeleteRole",
    DeleteRole,
    RoleGone,
    permission="roles:write",
    summary="Remove a role that nobody has and no other role inherits.",
    http=post("/v1/api/roles/delete"),
    errors=(NotFound, Forbidden, CannotGrant, RoleInUse),
    idempotency=Idempotency.NATURAL,
)


class AssignRole(Request, frozen=True, kw_only=True):
    """``subject`` is whose tokens it is about: an id of 1 to 200 letters, digits, ``:``, ``.``,
    ``_`` and ``-``, never a name or an address. Whoever had another role has this one instead."""

    subject: str
    role: str


class Assignment(Response, frozen=True, kw_only=True):
    subject: str
    role: str
    updated_at: Instant


ASSIGN_ROLE: Final = Operation(
    "roles.v1.AssignRole",
    AssignRole,
    Assignment,
    permission="roles:write",
    summary="Give one of the staff a role; nobody gives or takes away more than they hold, and the "
    "last owner stays one.",
    http=post("/v1/api/roles/assign"),
    errors=(Forbidden, CannotGrant, InvalidRequest, LastOwner),
    idempotency=Idempotency.NATURAL,
)


class RemoveAssignment(Request, frozen=True, kw_only=True):
    subject: str


REMOVE_ASSIGNMENT: Final = Operation(
    "roles.v1.RemoveAssignment",
    RemoveAssignment,
    Assignment,
    permission="roles:write",
    summary="Take their role from one of the staff, who may do nothing until they are given one "
    "again; answers the role they had.",
    http=post("/v1/api/roles/unassign"),
    errors=(NotFound, Forbidden, CannotGrant, LastOwner),
    idempotency=Idempotency.NATURAL,
)


class ListAssignments(Request, frozen=True, kw_only=True):
    limit: int = 50
    cursor: str | None = None


class Assignments(Page, frozen=True, kw_only=True):
    assignments: tuple[Assignment, ...]


LIST_ASSIGNMENTS: Final = Operation(
    "roles.v1.ListAssignments",
    ListAssignments,
    Assignments,
    permission="roles:read",
    summary="Who of the staff has which role, by subject.",
    http=get("/v1/api/roles/assignments"),
    errors=(InvalidRequest,),
)


class GetAssignment(Request, frozen=True, kw_only=True):
    subject: str


class Assigned(Response, frozen=True, kw_only=True):
    """What one of the staff may do right now: ``role`` is empty and ``permissions`` too for
    somebody without one. ``version`` counts the changes of the shop's roles and assignments;
    while it is the same, so is the rest."""

    role: str
    permissions: tuple[str, ...]
    version: int


GET_ASSIGNMENT: Final = Operation(
    "roles.v1.GetAssignment",
    GetAssignment,
    Assigned,
    permission=INTERNAL,
    summary="The role of one of the staff and what it may do.",
)


class AdmitStaff(Request, frozen=True, kw_only=True):
    """Somebody of the shop's staff whose log-in was checked."""

    subject: str


ADMIT_STAFF: Final = Operation(
    "roles.v1.AdmitStaff",
    AdmitStaff,
    Assigned,
    permission=INTERNAL,
    summary="The role of somebody who logs in: the one they have, and none if it was taken from "
    "them; for somebody new owner while the shop has no owner, and viewer after that.",
    errors=(InvalidRequest,),
    idempotency=Idempotency.NATURAL,
)


class PermissionsOf(Request, frozen=True, kw_only=True):
    role: str


class Permissions(Response, frozen=True, kw_only=True):
    """All that the role may do; ``version`` is as in ``Assigned``."""

    permissions: tuple[str, ...]
    version: int = 0


GET_PERMISSIONS: Final = Operation(
    "roles.v1.GetPermissions",
    PermissionsOf,
    Permissions,
    permission=INTERNAL,
    summary="What a role of a shop may do, for the gateway.",
    errors=(NotFound,),
)


class GetVersions(Request, frozen=True, kw_only=True):
    merchant_ids: tuple[UUID, ...]


class Versions(Response, frozen=True, kw_only=True):
    """In the order that they were asked for."""

    versions: tuple[int, ...]


GET_VERSIONS: Final = Operation(
    "roles.v1.GetVersions",
    GetVersions,
    Versions,
    permission=INTERNAL,
    summary="How often the roles and assignments of shops have changed, so that whoever remembers "
    "what they were knows whether that still holds.",
)


class RoleChanged(Body, frozen=True, kw_only=True):
    """``permissions`` are the role's own, ``inherits`` the roles whose it holds besides."""

    role_id: UUID
    name: str
    permissions: tuple[str, ...]
    inherits: tuple[str, ...] = ()


class RoleRemoved(Body, frozen=True, kw_only=True):
    role_id: UUID
    name: str


class RoleAssigned(Body, frozen=True, kw_only=True):
    """``before`` is the role that the subject had; empty for none."""

    subject: str
    role: str
    before: str = ""


class RoleUnassigned(Body, frozen=True, kw_only=True):
    """``role`` is what the subject had."""

    subject: str
    role: str


ROLE_CREATED: Final = Event("role.created", RoleChanged, _ROLES, "A role was made.")
ROLE_UPDATED: Final = Event("role.updated", RoleChanged, _ROLES, "What a role may do changed.")
ROLE_DELETED: Final = Event("role.deleted", RoleRemoved, _ROLES, "A role was removed.")
ROLE_ASSIGNED: Final = Event("role.assigned", RoleAssigned, _ROLES, "Somebody was given a role.")
ROLE_UNASSIGNED: Final = Event(
    "role.unassigned", RoleUnassigned, _ROLES, "Somebody lost the role they had."
)

CONTRACTS: Final = Contracts(
    operations=(
        GET_ROLE,
        LIST_ROLES,
        CREATE_ROLE,
        UPDATE_ROLE,
        DELETE_ROLE,
        ASSIGN_ROLE,
        REMOVE_ASSIGNMENT,
        LIST_ASSIGNMENTS,
        GET_ASSIGNMENT,
        ADMIT_STAFF,
        GET_PERMISSIONS,
        GET_VERSIONS,
    ),
    events=(ROLE_CREATED, ROLE_UPDATED, ROLE_DELETED, ROLE_ASSIGNED, ROLE_UNASSIGNED),
)
