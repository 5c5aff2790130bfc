"""How the roles service is put together."""

from adapters.nats.consumer import Consumes
from adapters.postgres.roles import PostgresRoleBook
from adapters.runtime.service import Service, answers, commands
from adapters.runtime.world import World
from contracts import auth, roles
from ports.roles import RoleBook
from ports.unit import Units
from services.roles.book import Reading, create, delete, give_default_roles, update
from services.roles.staff import Staff, assign, remove


def service(world: World) -> Service:
    units: Units[RoleBook] = world.units("roles", PostgresRoleBook)
    reading = Reading(units)
    staff = Staff(units)
    return Service(
        name="roles",
        endpoints=(
            answers(roles.GET_ROLE, reading.role),
            answers(roles.LIST_ROLES, reading.roles),
            answers(roles.GET_PERMISSIONS, reading.permissions),
            answers(roles.GET_VERSIONS, reading.versions),
            commands(roles.CREATE_ROLE, units, create),
            commands(roles.UPDATE_ROLE, units, update),
            commands(roles.DELETE_ROLE, units, delete),
            answers(roles.GET_ASSIGNMENT, staff.assigned),
            answers(roles.ADMIT_STAFF, staff.admit),
            answers(roles.LIST_ASSIGNMENTS, staff.page),
            commands(roles.ASSIGN_ROLE, units, assign),
            commands(roles.REMOVE_ASSIGNMENT, units, remove),
        ),
        consumes=(Consumes((auth.MERCHANT_CREATED,), units, give_default_roles),),
    )
