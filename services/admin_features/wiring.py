"""How the admin features service is put together."""

from adapters.postgres.templates import PostgresTemplates
from adapters.runtime.service import Service, answers, commands
from adapters.runtime.world import World
from contracts import admin_features
from ports.templates import Templates
from ports.unit import Units
from services.admin_features.notifications import Notifications, save


def service(world: World) -> Service:
    units: Units[Templates] = world.units("admin_features", PostgresTemplates)
    notifications = Notifications(units)
    return Service(
        name="admin_features",
        endpoints=(
            commands(admin_features.SAVE_TEMPLATE, units, save),
            answers(admin_features.GET_TEMPLATE, notifications.get),
            answers(admin_features.PREVIEW_TEMPLATE, notifications.preview),
        ),
    )
