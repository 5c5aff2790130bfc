"""How the core service is put together."""

from collections.abc import Sequence
from functools import partial

from adapters.crypto.keyring import CHECK_SECONDS, Keyring
from adapters.crypto.sealer import AesGcmSealer
from adapters.nats.connection import AT, MESSAGE_ID
from adapters.nats.consumer import Consumes
from adapters.postgres.imports import PostgresImports
from adapters.postgres.leaving import PostgresLeaving
from adapters.postgres.members import PostgresMembers
from adapters.postgres.settings import PostgresSettings
from adapters.postgres.usage import PostgresUsage
from adapters.runtime.service import Loop, Service, answers, commands
from adapters.runtime.shopify_admin import admin_client
from adapters.runtime.world import World
from adapters.shopify.admin.bulk import BulkExports
from adapters.shopify.admin.history import ShopifyHistory
from contracts import auth, campaign, core, installs, rfm, shop, users
from contracts.imports import GET_IMPORT, START_IMPORT
from domain.errors import Unavailable
from ports.imports import Imports, Message, Tell
from ports.leaving import Leaving
from ports.members import Members
from ports.settings import SettingsHistory
from ports.unit import Units
from ports.usage import UsageBook
from services.core import importing
from services.core.leaving import apply_departures
from services.core.members import MemberList, learn
from services.core.settings import SettingsDesk, begin, update
from services.core.usage import OrderToCount, UsageReport, count


def service(world: World) -> Service:
    settings: Units[SettingsHistory] = world.units("core", PostgresSettings)
    members: Units[Members] = world.units("core", PostgresMembers)
    leaving: Units[Leaving] = world.units("core", PostgresLeaving)
    usage: Units[UsageBook] = world.units("core", PostgresUsage)
    imports: Units[Imports] = world.units("core", PostgresImports)
    across: Units[Imports] = world.units_across_shops("core", PostgresImports)
    keys = Keyring(world.mesh, world.key_management(), "core")
    shopify = admin_client(world, "core")
    history = ShopifyHistory(
        BulkExports(shopify, world.settings.shopify_api_base),
        shopify,
        keys,
        AesGcmSealer(),
        world.clock,
    )
    imported = importing.Importing(imports, across, history, _tell(world))
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
            answers(GET_IMPORT, imported.get),
            answers(START_IMPORT, imported.start),
        ),
        consumes=(
            # Each order counts once a month, and each part of a profile has a version.
            Consumes(
                shop.ORDER_EVENTS, usage, count, inbox=False, views={shop.Order: OrderToCount}
            ),
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
            Consumes(
                (auth.MERCHANT_CREATED, installs.SHOP_CONNECTED),
                settings,
                begin,
                name="core-settings",
            ),
            Consumes(
                (installs.SHOP_CONNECTED,),
                imports,
                importing.begin,
                name="core-imports",
            ),
        ),
        loops=(
            Loop("changes of keys", CHECK_SECONDS, keys.learn),
            Loop("imports", importing.WORK_SECONDS, imported.run),
        ),
        on_start=(partial(keys.listen, world.client),),
        on_stop=(history.close, shopify.close),
    )


def _tell(world: World) -> Tell:
    """What is told of before goes where webhooks go, so that whoever listens to those hears it."""

    async def tell(messages: Sequence[Message]) -> None:
        at = world.clock.now().isoformat()
        results = await world.publisher.publish_all(
            [
                (each.subject, each.payload, {MESSAGE_ID: each.message_id, AT: at})
                for each in messages
            ]
        )
        if any(isinstance(each, Unavailable) for each in results):
            raise Unavailable("Not all of it was stored.")

    return tell
