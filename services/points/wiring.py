"""How the points service is put together."""

from functools import partial

from adapters.mongo.ledger import MongoLedger
from adapters.nats.consumer import Consumes
from adapters.postgres.chain import PostgresChain
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.past_orders import PostgresPastOrders
from adapters.runtime.service import Loop, Service, answers, commands
from adapters.runtime.settings import MONGO
from adapters.runtime.world import World
from contracts import activities, core, points, referrals, shop, simulations, users
from ports.chain import Chain
from ports.ledger import Ledger
from ports.past_orders import PastOrders
from ports.unit import Units
from services.points.account import Accounts, adjust
from services.points.activities import earn
from services.points.chaining import seal_entries
from services.points.earning import apply_mesh_events, apply_shop_events, release_matured
from services.points.explaining import Explainer
from services.points.merging import apply_merges
from services.points.simulating import ProgramSimulator


def service(world: World) -> Service:
    if world.settings.points_store == MONGO:
        return on_mongo(world)
    units: Units[Ledger] = world.units("points", PostgresLedger)
    across: Units[Ledger] = world.units_across_shops("points", PostgresLedger)
    past: Units[PastOrders] = world.units("points", PostgresPastOrders)
    chain: Units[Chain] = world.units_across_shops("points", PostgresChain)
    accounts = Accounts(units)
    return Service(
        name="points",
        endpoints=(
            answers(points.GET_BALANCE, accounts.balance),
            answers(points.GET_BALANCES, accounts.balances),
            answers(points.GET_HISTORY, accounts.history),
            commands(points.ADJUST, units, adjust),
            commands(activities.EARN, units, earn),
            answers(points.EXPLAIN_PURCHASE, Explainer(units).explain),
            answers(simulations.SIMULATE_PROGRAM, ProgramSimulator(past).simulate),
        ),
        consumes=(
            Consumes(
                (
                    *shop.ORDER_EVENTS,
                    shop.REFUND_CREATED,
                    shop.CUSTOMER_CREATED,
                    shop.PRODUCT_CREATED,
                    shop.PRODUCT_UPDATED,
                    shop.PRODUCT_DELETED,
                ),
                units,
                apply_shop_events,
                inbox=False,  # an entry is unique in the ledger
            ),
            Consumes(
                (
                    core.SETTINGS_UPDATED,
                    core.CUSTOMER_CREATED,
                    core.CUSTOMER_UPDATED,
                    referrals.REFERRAL_COMPLETED,
                ),
                units,
                apply_mesh_events,
                inbox=False,  # programs and members have versions, entries are unique
            ),
            Consumes(
                (users.CUSTOMER_MERGED,),
                units,
                apply_merges,
                name="points-merges",
                inbox=False,  # what was moved is there no more
            ),
        ),
        loops=(
            Loop("release of matured points", 30.0, partial(release_matured, across)),
            Loop("sealing", 5.0, partial(seal_entries, chain)),
        ),
    )

def on_mongo(world: World) -> Service:
    """The ledger, kept on MongoDB. What is not kept there yet is not offered (docs/mongo.md)."""
    units: Units[Ledger] = world.mongo_units("points", MongoLedger)
    across: Units[Ledger] = world.mongo_units("points", MongoLedger, across_shops=True)
    accounts = Accounts(units)
    return Service(
        name="points",
        endpoints=(
            answers(points.GET_BALANCE, accounts.balance),
            answers(points.GET_BALANCES, accounts.balances),
            answers(points.GET_HISTORY, accounts.history),
            commands(points.ADJUST, units, adjust),
            commands(activities.EARN, units, earn),
            answers(points.EXPLAIN_PURCHASE, Explainer(units).explain),
            answers(expiry.LIST_LOTS, LotLists(units).page),
        ),
        consumes=(
            Consumes(
                (
                    *shop.ORDER_EVENTS,
                    shop.REFUND_CREATED,
                    shop.CUSTOMER_CREATED,
                    shop.PRODUCT_CREATED,
                    shop.PRODUCT_UPDATED,
                    shop.PRODUCT_DELETED,
                ),
                units,
                apply_shop_events,
                inbox=False,
            ),
            Consumes(
                (
                    core.SETTINGS_UPDATED,
                    core.CUSTOMER_CREATED,
                    core.CUSTOMER_UPDATED,
                    referrals.REFERRAL_COMPLETED,
                ),
                units,
                apply_mesh_events,
                inbox=False,
            ),
            Consumes(
                (users.CUSTOMER_MERGED,), units, apply_merges, name="points-merges", inbox=False
            ),
        ),
        loops=(
            Loop("release of matured points", 30.0, partial(release_matured, across)),
            Loop("expiry", 30.0, partial(expire_points, across)),
        ),
    )
