"""How the core service is put together."""

from adapters.nats.consumer import Consumes
from adapters.postgres.leaving import PostgresLeaving
from adapters.postgres.members import PostgresMembers
from adapters.postgres.settings import PostgresSettings
from adapters.postgres.usage import PostgresUsage
from adapters.runtime.service import Service, answers, commands
from adapters.runtime.world import World
from contracts import auth, campaign, core, rfm, shop, users
from ports.leaving import Leaving
from ports.members import Members
from ports.settings import SettingsHistory
from ports.unit import Units
from ports.usage import UsageBook
from services.core.leaving import apply_departures
from services.core.members import MemberList, learn
from services.core.settings import SettingsDesk, begin, update
from services.core.usage import UsageReport, count


def service(world: World) -> Service:
    settings: Units[SettingsHistory] = world.units("core", PostgresSettings)
    members: Units[Members] = world.units("core", PostgresMembers)
    leaving: Units[Leaving] = world.units("core", PostgresLeaving)
    usage: Units[UsageBook] = world.units("core", PostgresUsage)
    desk = SettingsDesk(settings)
    profiles = MemberList(members)
    return Service(
        name="core",
        endpoints=(
            answers(core.GET_SETTINGS, desk.get),
            commands(core.UPDATE_SETTINGS, settings, update),
            answers(core.GET_CUSTOMER_RFM, profiles.get),
            answers(core.LIST_MEMBERS, profiles.page),
            answers(core.GET_MEMBERS, profiles.several),
            answers(core.GET_USAGE, UsageReport(usage).get),
        ),
        consumes=(
            # Each order counts once a month, and each part of a profile has a version.
            Consumes(shop.ORDER_EVENTS, usage, count, inbox=False),
            Consumes(
                (users.USER_CREATED, rfm.RFM_UPDATED, campaign.TIER_ASSIGNED),
                members,
                learn,
                inbox=False,
            ),
            Consumes(
                (users.USER_DELETED, users.CUSTOMER_MERGED),
                leaving,
                apply_departures,
                name="core-departures",
                inbox=False,  # nobody leaves twice
            ),
            Consumes((auth.MERCHANT_CREATED,), settings, begin, name="core-settings"),
        ),
    )
