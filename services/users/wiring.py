"""How the users service is put together."""

from functools import partial

from adapters.crypto.blind_search import HmacSearch
from adapters.crypto.keyfile import load_key
from adapters.crypto.keys import EnvelopeKeys
from adapters.crypto.sealer import AesGcmSealer
from adapters.nats.consumer import Consumes
from adapters.postgres.departures import PostgresDepartures
from adapters.postgres.names import PostgresNames
from adapters.postgres.people import PostgresPeople
from adapters.runtime.service import Loop, Service, answers, commands
from adapters.runtime.world import World
from contracts import shop, users
from ports.departures import Departures
from ports.names import Names
from ports.people import People
from ports.unit import Units
from services.users.asking import Asking
from services.users.changing import Changing
from services.users.departing import apply_departures, merge_users
from services.users.envelope import Envelopes
from services.users.finding import Finding
from services.users.keys import ShopKeys
from services.users.naming import name_people
from services.users.sightings import apply_shop_events


def service(world: World) -> Service:
    units: Units[People] = world.units("users", PostgresPeople)
    names: Units[Names] = world.units("users", PostgresNames)
    across: Units[Names] = world.units_across_shops("users", PostgresNames)
    departures: Units[Departures] = world.units("users", PostgresDepartures)
    keys = ShopKeys(world.mesh, EnvelopeKeys(load_key(world.settings.master_key_file)))
    envelopes = Envelopes(keys, AesGcmSealer(), HmacSearch())
    finding = Finding(names, envelopes)
    asking = Asking(units, envelopes, finding)
    changing = Changing(units, envelopes, world.mesh)
    return Service(
        name="users",
        endpoints=(
            answers(users.GET_USER, asking.user),
            answers(users.LIST_USERS, asking.page),
            answers(users.LIST_DUPLICATES, finding.duplicates),
            answers(users.GET_USERS, asking.users),
            commands(users.CREATE_USER, units, changing.create),
            answers(users.UPDATE_USER, changing.update),
            commands(users.MERGE_USERS, departures, merge_users),
        ),
        consumes=(
            Consumes(
                (*shop.ORDER_EVENTS, shop.CUSTOMER_CREATED, shop.CUSTOMER_UPDATED),
                units,
                apply_shop_events,
                inbox=False,  # a person is known once, and only news changes them
            ),
            Consumes(
                (shop.CUSTOMER_DELETED, shop.CUSTOMERS_MERGED),
                departures,
                apply_departures,
                name="users-departures",
                inbox=False,  # nobody goes twice
            ),
        ),
        loops=(Loop("names to be found by", 1.0, partial(name_people, across, envelopes)),),
    )
