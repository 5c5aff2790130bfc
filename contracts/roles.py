"""Roles: named sets of permissions, per shop."""

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
from domain.rbac import CannotGrant

_ROLES: Final = "roles"


class RoleExists(LoyaltyError):
    code = "ROLE_EXISTS"
    kind = Kind.CONFLICT
    title = "The shop already has a role of that name."


class GetRole(Request, frozen=True, kw_only=True):
    name: str


class Role(Response, frozen=True, kw_only=True):
    """A role; ``permissions`` is sorted. Built-in roles are the same in every shop."""

    role_id: UUID
    name: str
    permissions: tuple[str, ...]
    built_in: bool
    updated_at: Instant


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
    ``area:action`` or ``area:*``."""

    name: str
    permissions: tuple[str, ...]


CREATE_ROLE: Final = Operation(
    "roles.v1.CreateRole",
    CreateRole,
    Role,
    permission="roles:write",
    summary="A new role; nobody grants what they do not hold.",
    http=post("/v1/api/roles/create", status=201),
    errors=(Forbidden, CannotGrant, InvalidRequest, RoleExists, DuplicateRequest),
    idempotency=Idempotency.KEY,
)


class UpdateRole(Request, frozen=True, kw_only=True):
    """``permissions`` is all that the role may do from now on."""

    name: str
    permissions: tuple[str, ...]


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


class PermissionsOf(Request, frozen=True, kw_only=True):
    role: str


class Permissions(Response, frozen=True, kw_only=True):
    permissions: tuple[str, ...]


GET_PERMISSIONS: Final = Operation(
    "roles.v1.GetPermissions",
    PermissionsOf,
    Permissions,
    permission=INTERNAL,
    summary="What a role of a shop may do, for the gateway.",
    errors=(NotFound,),
)


class RoleChanged(Body, frozen=True, kw_only=True):
    role_id: UUID
    name: str
    permissions: tuple[str, ...]


ROLE_CREATED: Final = Event("role.created", RoleChanged, _ROLES, "A role was made.")
ROLE_UPDATED: Final = Event("role.updated", RoleChanged, _ROLES, "What a role may do changed.")

CONTRACTS: Final = Contracts(
    operations=(GET_ROLE, LIST_ROLES, CREATE_ROLE, UPDATE_ROLE, GET_PERMISSIONS),
    events=(ROLE_CREATED, ROLE_UPDATED),
)
