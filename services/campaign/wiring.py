"""How the campaign service is put together."""

from functools import partial

from adapters.nats.consumer import Consumes
from adapters.postgres.standings import PostgresStandings
from adapters.runtime.service import Loop, Service, answers
from adapters.runtime.world import World
from contracts import campaign, core, shop
from ports.standings import Standings
from ports.unit import Units
from services.campaign.reading import Reading
from services.campaign.standing import apply_programs, apply_shop_events, reassign


def service(world: World) -> Service:
    units: Units[Standings] = world.units("campaign", PostgresStandings)
    reading = Reading(units)
    return Service(
        name="campaign",
        endpoints=(
            answers(campaign.GET_VIP_TIER, reading.member),
            answers(campaign.LIST_TIERS, reading.tiers),
        ),
        consumes=(
            Consumes(
                (*shop.ORDER_EVENTS, shop.REFUND_CREATED),
                units,
                apply_shop_events,
                inbox=False,  # what is known of an order is in its row
            ),
            Consumes((core.SETTINGS_UPDATED,), units, apply_programs),
        ),
        loops=(Loop("reassignment after a changed ladder", 2.0, partial(reassign, units)),),
    )
