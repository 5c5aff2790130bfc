"""How the users service is put together."""

from adapters.crypto.keyfile import load_key
from adapters.crypto.keys import EnvelopeKeys
from adapters.crypto.sealer import AesGcmSealer
from adapters.nats.consumer import Consumes
from adapters.postgres.people import PostgresPeople
from adapters.runtime.service import Service, answers, commands
from adapters.runtime.world import World
from contracts import shop, users
from ports.people import People
from ports.unit import Units
from services.users.asking import Asking
from services.users.changing import Changing
from services.users.keys import ShopKeys
from services.users.sightings import apply_shop_events


def service(world: World) -> Service:
    units: Units[People] = world.units("users", PostgresPeople)
    keys = ShopKeys(world.mesh, EnvelopeKeys(load_key(world.settings.master_key_file)))
    sealer = AesGcmSealer()
    asking = Asking(units, keys, sealer)
    changing = Changing(units, keys, sealer, world.mesh)
    return Service(
        name="users",
        endpoints=(
            answers(users.GET_USER, asking.user),
            answers(users.LIST_USERS, asking.page),
            answers(users.GET_USERS, asking.users),
            commands(users.CREATE_USER, units, changing.create),
            answers(users.UPDATE_USER, changing.update),
        ),
        consumes=(
            Consumes(
                (*shop.ORDER_EVENTS, shop.CUSTOMER_CREATED, shop.CUSTOMER_UPDATED),
                units,
                apply_shop_events,
                inbox=False,  # a person is known once, and only news changes them
            ),
        ),
    )
