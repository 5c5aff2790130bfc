"""How the referrals service is put together."""

import secrets
from functools import partial

from adapters.crypto.keyring import CHECK_SECONDS, Keyring
from adapters.crypto.sealer import AesGcmSealer
from adapters.nats.consumer import Consumes
from adapters.postgres.referrals import PostgresReferrals
from adapters.runtime.service import Loop, Service, answers
from adapters.runtime.world import World
from contracts import core, referrals, shop
from domain.referrals.codes import ENTROPY_BYTES
from ports.referrals import ReferralBook
from ports.unit import Units
from services.referrals.claiming import Claims
from services.referrals.links import Advocates
from services.referrals.ordering import (
    BuyersOrder,
    apply_programs,
    apply_shop_events,
    expire_overdue,
)
from services.referrals.shops import Shops


def service(world: World) -> Service:
    units: Units[ReferralBook] = world.units("referrals", PostgresReferrals)
    across: Units[ReferralBook] = world.units_across_shops("referrals", PostgresReferrals)
    keys = Keyring(world.mesh, world.key_management(), "referrals")
    shops = Shops(world.mesh)
    advocates = Advocates(units, shops, partial(secrets.token_bytes, ENTROPY_BYTES))
    claims = Claims(units, keys, AesGcmSealer())
    return Service(
        name="referrals",
        endpoints=(
            answers(referrals.CREATE_LINK, advocates.create_link),
            answers(referrals.CLAIM, claims.claim),
            answers(referrals.GET_REFERRAL_STATUS, advocates.status),
            answers(referrals.GET_PROGRESS, advocates.progress),
        ),
        consumes=(
            Consumes(
                (*shop.ORDER_EVENTS, shop.CUSTOMER_CREATED, shop.CUSTOMER_UPDATED),
                units,
                apply_shop_events,
                inbox=False,  # a referral completes once
                views={shop.Order: BuyersOrder},
            ),
            Consumes((core.SETTINGS_UPDATED,), units, apply_programs),
        ),
        loops=(
            Loop("expiry of claims", 300.0, partial(expire_overdue, across)),
            Loop("changes of keys", CHECK_SECONDS, keys.learn),
        ),
        on_start=(partial(keys.listen, world.client),),
    )
