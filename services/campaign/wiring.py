"""How the campaign service is put together."""

from functools import partial

from adapters.nats.consumer import Consumes
from adapters.postgres.standings import PostgresStandings
from adapters.runtime.service import Loop, Service, answers
from adapters.runtime.world import World
from contracts import campaign, core, rfm
from ports.standings import Standings
from ports.unit import Units
from services.campaign.reading import Reading
from services.campaign.standing import apply_mesh_events, reassign


def service(world: World) -> Service:
    units: Units[Standings] = world.units("campaign", PostgresStandings)
    across: Units[Standings] = world.units_across_shops("campaign", PostgresStandings)
    reading = Reading(units)
    return Service(
        name="campaign",
        endpoints=(
            answers(campaign.GET_VIP_TIER, reading.member),
            answers(campaign.LIST_TIERS, reading.tiers),
        ),
        consumes=(
            Consumes(
                (rfm.RFM_UPDATED, core.SETTINGS_UPDATED),
                units,
                apply_mesh_events,
                inbox=False,  # members and programs have versions
            ),
        ),
        loops=(Loop("reassignment after a changed ladder", 2.0, partial(reassign, across)),),
    )
