"""How the roles service is put together."""

from adapters.nats.consumer import Consumes
from adapters.postgres.roles import PostgresRoleBook
from adapters.runtime.service import Service, answers, commands
from adapters.runtime.world import World
from contracts import auth, roles
from ports.roles import RoleBook
from ports.unit import Units
from services.roles.book import Reading, create, give_default_roles, update


def service(world: World) -> Service:
    units: Units[RoleBook] = world.units("roles", PostgresRoleBook)
    reading = Reading(units)
    return Service(
        name="roles",
        endpoints=(
            answers(roles.GET_ROLE, reading.role),
            answers(roles.LIST_ROLES, reading.roles),
            answers(roles.GET_PERMISSIONS, reading.permissions),
            commands(roles.CREATE_ROLE, units, create),
            commands(roles.UPDATE_ROLE, units, update),
        ),
        consumes=(Consumes((auth.MERCHANT_CREATED,), units, give_default_roles),),
    )
