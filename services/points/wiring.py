"""How the points service is put together."""

import secrets
from dataclasses import dataclass
from functools import partial
from typing import Final

from adapters.crypto.digests import KeyedDigests
from adapters.crypto.keyring import CHECK_SECONDS, Keyring
from adapters.crypto.sealer import AesGcmSealer
from adapters.nats.consumer import Consumes
from adapters.postgres.chain import PostgresChain
from adapters.postgres.clearing import PostgresClearings
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.liability import PostgresHoldings
from adapters.postgres.past_orders import PostgresPastOrders
from adapters.postgres.pooling import PostgresPools
from adapters.postgres.resealing import SealedColumn, SealedTable, sealed_rows
from adapters.postgres.rewards import PostgresRedeeming
from adapters.postgres.statements import PostgresExports, PostgresStatements
from adapters.runtime.resealing import resealing_of
from adapters.runtime.service import Loop, Service, answers, commands, prepared_commands
from adapters.runtime.settings import MONGO
from adapters.runtime.shopify_admin import admin_client, issuing
from adapters.runtime.world import World
from adapters.shopify.admin.collections import ShopifyCollections
from adapters.telemetry.metrics import POINTS_MOVED, REDEMPTIONS_IN_DOUBT
from adapters.telemetry.sealing import count_sealed
from contracts import (
    activities,
    clearing,
    core,
    expiry,
    liability,
    organizations,
    points,
    pos,
    products,
    referrals,
    rewards,
    shop,
    simulations,
    statements,
    users,
)
from domain.points.codes import ENTROPY_BYTES
from ports.chain import Chain
from ports.clearing import Clearings
from ports.ledger import Ledger
from ports.liability import Holdings
from ports.past_orders import PastOrders
from ports.pooling import Pools, SharedLedger
from ports.resealing import SealedRows
from ports.rewards import Redeeming
from ports.sealing import REWARD_CODE
from ports.statements import Exports, Statements
from ports.unit import Units
from services.points.account import Accounts, adjust
from services.points.activities import earn
from services.points.birthdays import apply_birthdays
from services.points.chaining import seal_entries
from services.points.clearing import ClearingReports
from services.points.earning import apply_mesh_events, release_matured
from services.points.expiring import expire_points
from services.points.explaining import Explainer
from services.points.issuing import Fulfilment, count_doubts
from services.points.liability import LiabilityReports
from services.points.lots import LotLists
from services.points.merging import apply_merges
from services.points.newly_named import NewlyNamed
from services.points.pooling import Sharing, apply_links
from services.points.pos import Tills
from services.points.redeeming import Members, Redeemer
from services.points.reversing import reverse
from services.points.rewards import Offering, archive_reward, create_reward, update_reward
from services.points.simulating import ProgramSimulator
from services.points.statement import Exporter, Past
from services.points.using import Codes

_SEALED: Final = SealedTable(
    "reward_redemptions",
    "redemption_id",
    {"sealed_code": SealedColumn(REWARD_CODE, "CAST(redemption_id AS text)")},
)


@dataclass(frozen=True, slots=True)
class _Kept:
    """The stores of the service, wherever its points are kept."""

    ledger: Units[Ledger]
    shared: Units[SharedLedger]
    across: Units[Ledger]
    past: Units[PastOrders]
    statements: Units[Statements]
    redeeming: Units[Redeeming]
    redeeming_across: Units[Redeeming]
    sealed: Units[SealedRows]
    sealed_across: Units[SealedRows]
    holdings: Units[Holdings]
    exports: Units[Exports]
    chain: Units[Chain]
    pools_across: Units[Pools]
    clearings: Units[Clearings]


def _on_postgres(world: World) -> _Kept:
    rows = sealed_rows(_SEALED)
    return _Kept(
        ledger=world.units("points", PostgresLedger),
        shared=world.units("points", PostgresRedeeming),
        across=world.units_across_shops("points", PostgresLedger),
        past=world.units("points", PostgresPastOrders),
        statements=world.units("points", PostgresStatements),
        redeeming=world.units("points", PostgresRedeeming),
        redeeming_across=world.units_across_shops("points", PostgresRedeeming),
        sealed=world.units("points", rows),
        sealed_across=world.units_across_shops("points", rows),
        holdings=world.units("points", PostgresHoldings),
        exports=world.units("points", PostgresExports),
        chain=world.units_across_shops("points", PostgresChain),
        pools_across=world.units_across_shops("points", PostgresPools),
        clearings=world.units("points", PostgresClearings),
    )


def _on_mongo(world: World) -> _Kept:
    # Imported here: the driver is heavy, and who is on PostgreSQL does without.
    from adapters.mongo.chain import MongoChain
    from adapters.mongo.clearing import MongoClearings
    from adapters.mongo.exports import MongoExports
    from adapters.mongo.ledger import MongoLedger
    from adapters.mongo.liability import MongoHoldings
    from adapters.mongo.past_orders import MongoPastOrders
    from adapters.mongo.pooling import MongoPooling
    from adapters.mongo.resealing import MongoSealedRows
    from adapters.mongo.rewards import MongoRedeeming
    from adapters.mongo.statements import MongoStatements

    return _Kept(
        ledger=world.mongo_units("points", MongoLedger),
        shared=world.mongo_units("points", MongoPooling),
        across=world.mongo_units("points", MongoLedger, across_shops=True),
        past=world.mongo_units("points", MongoPastOrders),
        statements=world.mongo_units("points", MongoStatements),
        redeeming=world.mongo_units("points", MongoRedeeming),
        redeeming_across=world.mongo_units("points", MongoRedeeming, across_shops=True),
        sealed=world.mongo_units("points", MongoSealedRows),
        sealed_across=world.mongo_units("points", MongoSealedRows, across_shops=True),
        holdings=world.mongo_units("points", MongoHoldings),
        exports=world.mongo_units("points", MongoExports),
        chain=world.mongo_units("points", MongoChain, across_shops=True),
        pools_across=world.mongo_units("points", MongoPooling, across_shops=True),
        clearings=world.mongo_units("points", MongoClearings),
    )


def service(world: World) -> Service:
    on_mongo = world.settings.points_store == MONGO
    kept = _on_mongo(world) if on_mongo else _on_postgres(world)
    units, across = kept.ledger, kept.across
    sharing = Sharing(kept.shared, kept.pools_across)
    accounts = Accounts(kept.shared, sharing)
    past_points = Past(kept.statements, accounts)
    redeeming, redeeming_across = kept.redeeming, kept.redeeming_across
    keys = Keyring(world.mesh, world.key_management(), "points")
    count, rotations, reseal = resealing_of(
        "points", kept.sealed, kept.sealed_across, _SEALED.purposes, keys
    )
    digests = KeyedDigests(world.settings.app_secrets, "reward codes")
    shopify = admin_client(world, "points")
    fulfilment = Fulfilment(
        redeeming, redeeming_across, issuing(world, shopify), keys, AesGcmSealer()
    )
    offering = Offering(redeeming, sharing)
    simulator = ProgramSimulator(kept.past, NewlyNamed(ShopifyCollections(shopify)))
    tills = Tills(Codes(digests).settle)
    redeemer = Redeemer(
        redeeming,
        Members(world.mesh),
        keys,
        AesGcmSealer(),
        digests,
        partial(secrets.token_bytes, ENTROPY_BYTES),
        fulfilment,
        sharing,
        POINTS_MOVED.inc,
    )
    return Service(
        name="points",
        endpoints=(
            answers(points.GET_BALANCE, past_points.balance),
            answers(points.GET_BALANCES, accounts.balances),
            answers(points.GET_HISTORY, accounts.history),
            commands(points.ADJUST, units, adjust),
            answers(statements.GET_STATEMENT, past_points.statement),
            commands(statements.REVERSE, units, reverse),
            commands(activities.EARN, units, earn),
            commands(pos.SYNC_SALES, redeeming, tills.sync),
            answers(statements.EXPORT, Exporter(kept.exports).page),
            answers(clearing.GET_CLEARING, ClearingReports(kept.clearings).page),
            answers(liability.GET_LIABILITY, LiabilityReports(kept.holdings).report),
            answers(points.EXPLAIN_PURCHASE, Explainer(units).explain),
            answers(expiry.LIST_LOTS, LotLists(units).page),
            answers(simulations.SIMULATE_PROGRAM, simulator.simulate),
            count,
            commands(rewards.CREATE_REWARD, redeeming, create_reward),
            commands(rewards.UPDATE_REWARD, redeeming, update_reward),
            commands(rewards.ARCHIVE_REWARD, redeeming, archive_reward),
            answers(rewards.GET_REWARD, offering.one),
            answers(rewards.LIST_REWARDS, offering.page),
            answers(rewards.LIST_OFFERS, offering.offers),
            answers(rewards.GET_OWN_POINTS, redeemer.points),
            prepared_commands(
                rewards.REDEEM_POINTS,
                redeeming,
                redeemer.prepare,
                redeemer.reserve,
                redeemer.finish,
                others=redeemer.others,
            ),
            prepared_commands(
                rewards.REDEEM_OWN_POINTS,
                redeeming,
                redeemer.prepare,
                redeemer.reserve,
                redeemer.finish,
                others=redeemer.others,
            ),
            answers(rewards.GET_REDEMPTION, redeemer.one),
            answers(rewards.LIST_REDEMPTIONS, redeemer.page),
            commands(
                rewards.CANCEL_REDEMPTION, redeeming, redeemer.cancel, redeemer.finish_cancelling
            ),
            commands(rewards.ASK_AGAIN, redeeming, redeemer.ask_again, redeemer.follow_up),
        ),
        consumes=(
            rotations,
            Consumes(
                (
                    *shop.ORDER_EVENTS,
                    shop.REFUND_CREATED,
                    shop.CUSTOMER_CREATED,
                    shop.PRODUCT_CREATED,
                    shop.PRODUCT_UPDATED,
                    shop.PRODUCT_DELETED,
                ),
                redeeming,
                tills.apply_shop_events,
                inbox=False,  # an entry is unique in the ledger
                whose=shop.whose,
            ),
            Consumes(
                (shop.TILL_SYNCED,),
                redeeming,
                tills.apply_queues,
                name="points-tills",
                inbox=False,  # lines that were taken are known
            ),
            Consumes(
                (
                    core.SETTINGS_UPDATED,
                    core.CUSTOMER_CREATED,
                    core.CUSTOMER_UPDATED,
                    referrals.REFERRAL_COMPLETED,
                    products.PRODUCT_COLLECTIONS,
                ),
                units,
                apply_mesh_events,
                inbox=False,  # programs, members and goods have versions, entries are unique
            ),
            Consumes(
                (users.CUSTOMER_MERGED,),
                units,
                apply_merges,
                name="points-merges",
                inbox=False,  # what was moved is there no more
            ),
            Consumes(
                (organizations.MEMBER_LINKED, organizations.MEMBER_UNLINKED),
                kept.shared,
                apply_links,
                name="points-pools",
                inbox=False,  # of each member the highest version is believed
            ),
            Consumes(
                (users.CUSTOMER_BIRTHDAY,),
                units,
                apply_birthdays,
                name="points-birthdays",
                inbox=False,  # what was given is counted
            ),
        ),
        loops=(
            Loop("redemptions that are due", 1.0, fulfilment.run),
            Loop(
                "redemptions in doubt",
                30.0,
                partial(count_doubts, redeeming_across, REDEMPTIONS_IN_DOUBT.set),
            ),
            Loop("changes of keys", CHECK_SECONDS, keys.learn),
            reseal,
            Loop("release of matured points", 30.0, partial(release_matured, across)),
            Loop("expiry", 30.0, partial(expire_points, across)),
            Loop("sealing", 5.0, partial(seal_entries, kept.chain, count_sealed)),
        ),
        on_start=(partial(keys.listen, world.client),),
        on_stop=(shopify.close,),
    )
