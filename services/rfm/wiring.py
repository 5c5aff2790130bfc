"""How the rfm service is put together."""

from functools import partial

from adapters.nats.consumer import Consumes
from adapters.postgres.profiles import PostgresProfiles
from adapters.runtime.service import Loop, Service, answers
from adapters.runtime.world import World
from contracts import core, rfm, shop, users
from ports.profiles import Profiles
from ports.purchases import PURCHASES
from ports.unit import Units
from services.rfm.merging import apply_merges
from services.rfm.reading import Reading
from services.rfm.scoring import (
    apply_departures,
    apply_programs,
    apply_shop_events,
    rescore_changed,
    rescore_decayed,
)


def service(world: World) -> Service:
    units: Units[Profiles] = world.units("rfm", PostgresProfiles)
    across: Units[Profiles] = world.units_across_shops("rfm", PostgresProfiles)
    reading = Reading(units)
    return Service(
        name="rfm",
        endpoints=(
            answers(rfm.GET_CUSTOMER_RFM, reading.customer),
            answers(rfm.GET_SEGMENT_COUNTS, reading.segments),
        ),
        consumes=(
            Consumes(
                (*shop.ORDER_EVENTS, shop.REFUND_CREATED),
                units,
                apply_shop_events,
                inbox=False,  # what is known of an order is in its row
                views=PURCHASES,
                whose=shop.whose,
            ),
            Consumes((core.SETTINGS_UPDATED,), units, apply_programs),
            Consumes(
                (users.CUSTOMER_MERGED,),
                units,
                apply_merges,
                name="rfm-merges",
                inbox=False,  # orders that have gone over are there no more
            ),
            Consumes(
                (users.USER_DELETED,),
                units,
                apply_departures,
                name="rfm-departures",
                inbox=False,  # who has left stays away
            ),
        ),
        loops=(
            Loop("rescoring as time passes", 60.0, partial(rescore_decayed, across)),
            Loop("rescoring after changed thresholds", 2.0, partial(rescore_changed, across)),
        ),
    )
