"""How the users service is put together."""

from functools import partial
from typing import Final

from adapters.crypto.blind_search import HmacSearch
from adapters.crypto.keyring import CHECK_SECONDS, Keyring
from adapters.crypto.organization_keys import MeshOrganizationKeys
from adapters.crypto.sealer import AesGcmSealer
from adapters.nats.consumer import Consumes
from adapters.postgres.birthdays import PostgresBirthdays
from adapters.postgres.departures import PostgresDepartures
from adapters.postgres.links import PostgresLinks
from adapters.postgres.names import PostgresNames
from adapters.postgres.people import PostgresPeople
from adapters.postgres.resealing import SealedColumn, SealedTable
from adapters.postgres.staff import PostgresStaff
from adapters.runtime.resealing import resealed
from adapters.runtime.service import Loop, Service, answers, commands, prepared_commands
from adapters.runtime.world import World
from contracts import core, organizations, roles, shop, users
from ports.birthdays import BirthdayBook
from ports.departures import Departures
from ports.links import Links
from ports.names import Names
from ports.people import People
from ports.sealing import BIRTHDAY, CONTACT
from ports.staff import StaffBook
from ports.unit import Units
from services.users.asking import Asking
from services.users.birthdays import learn_calendars, tell_birthdays
from services.users.changing import Changing
from services.users.departing import apply_departures, merge_users
from services.users.envelope import Envelopes
from services.users.finding import Finding
from services.users.linking import Linking, apply_redactions, learn_memberships
from services.users.naming import name_people
from services.users.sightings import OrderOfSomebody, apply_shop_events
from services.users.staff import Roles, Staffing, meet

_SEALED: Final = SealedTable(
    "users",
    "user_id",
    {
        "sealed_contact": SealedColumn(CONTACT, "CAST(coalesce(contact_of, user_id) AS text)"),
        "sealed_birthday": SealedColumn(BIRTHDAY, "CAST(coalesce(birthday_of, user_id) AS text)"),
    },
)


def service(world: World) -> Service:
    units: Units[People] = world.units("users", PostgresPeople)
    names: Units[Names] = world.units("users", PostgresNames)
    across: Units[Names] = world.units_across_shops("users", PostgresNames)
    birthdays: Units[BirthdayBook] = world.units("users", PostgresBirthdays)
    birthdays_across: Units[BirthdayBook] = world.units_across_shops("users", PostgresBirthdays)
    departures: Units[Departures] = world.units("users", PostgresDepartures)
    keys = Keyring(world.mesh, world.key_management(), "users")
    envelopes = Envelopes(keys, AesGcmSealer(), HmacSearch())
    finding = Finding(names, envelopes)
    staff: Units[StaffBook] = world.units("users", PostgresStaff)
    their_roles = Roles(world.mesh)
    staffing = Staffing(staff, envelopes, their_roles, world.mesh)
    asking = Asking(units, envelopes, finding, their_roles)
    changing = Changing(units, envelopes, world.mesh)
    links: Units[Links] = world.units("users", PostgresLinks)
    links_across: Units[Links] = world.units_across_shops("users", PostgresLinks)
    organization_keys = MeshOrganizationKeys(world.mesh, world.key_management(), "users")
    linking = Linking(links_across, links, envelopes, organization_keys)
    count, rotations, reseal = resealed(world, "users", _SEALED, keys)
    return Service(
        name="users",
        endpoints=(
            count,
            answers(users.GET_USER, asking.user),
            answers(users.LIST_USERS, asking.page),
            answers(users.LIST_DUPLICATES, finding.duplicates),
            answers(users.GET_USERS, asking.users),
            prepared_commands(users.CREATE_USER, units, changing.prepare_creation, changing.create),
            answers(users.UPDATE_USER, changing.update),
            answers(users.SET_BIRTHDAY, changing.set_birthday),
            answers(users.LINK_STAFF, staffing.link),
            answers(users.REMOVE_STAFF, staffing.remove),
            commands(users.MERGE_USERS, departures, merge_users),
        ),
        consumes=(
            rotations,
            Consumes(
                (*shop.ORDER_EVENTS, shop.CUSTOMER_CREATED, shop.CUSTOMER_UPDATED),
                units,
                apply_shop_events,
                inbox=False,  # a person is known once, and only news changes them
                views={shop.Order: OrderOfSomebody},
            ),
            Consumes(
                (shop.CUSTOMER_DELETED, shop.CUSTOMERS_MERGED),
                departures,
                apply_departures,
                name="users-departures",
                inbox=False,  # nobody goes twice
            ),
            Consumes((roles.ROLE_ASSIGNED,), staff, meet, name="users-staff"),
            Consumes(
                (core.SETTINGS_UPDATED,),
                birthdays,
                learn_calendars,
                name="users-calendars",
                inbox=False,  # programs have versions
            ),
            Consumes(
                (organizations.ORGANIZATION_JOINED, organizations.ORGANIZATION_LEFT),
                links,
                learn_memberships,
                name="users-organizations",
                inbox=False,  # what is said of a shop has versions
            ),
            Consumes(
                (shop.CUSTOMER_REDACTED,),
                links,
                apply_redactions,
                name="users-redactions",
                inbox=False,  # nobody is forgotten twice
            ),
        ),
        loops=(
            Loop("names to be found by", 1.0, partial(name_people, across, envelopes)),
            Loop(
                "birthdays", 1.0, partial(tell_birthdays, birthdays_across, envelopes, world.clock)
            ),
            Loop("members who are one person", 1.0, linking.run),
            Loop("changes of keys", CHECK_SECONDS, keys.learn),
            reseal,
        ),
        on_start=(partial(keys.listen, world.client),),
    )
