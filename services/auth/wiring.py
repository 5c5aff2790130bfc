"""How the auth service is put together."""

from typing import Final

from adapters.crypto.keyfile import load_key
from adapters.crypto.keys import EnvelopeKeys
from adapters.nats.consumer import Consumes
from adapters.postgres.merchants import PostgresMerchants
from adapters.postgres.sessions import PostgresSessions
from adapters.runtime.service import Loop, Service, answers, commands
from adapters.runtime.world import World
from adapters.tokens.jwt_tokens import JwtIssuer, JwtVerifier
from adapters.tokens.keys import load_signing_keys
from adapters.tokens.refresh import HmacRefreshTokens
from adapters.valkey.revocations import ValkeyRevocations
from contracts import auth, shop
from contracts.caller import service_caller
from contracts.sessions import (
    LIST_REVOKED,
    LIST_SESSIONS,
    LOG_OUT,
    REFRESH_SESSION,
    REVOKE,
    REVOKE_SESSION,
)
from ports.merchants import Merchants
from ports.sessions import SessionBook
from ports.unit import Units
from services.auth.copying import COPY_SECONDS, Copying
from services.auth.revoking import Revoking
from services.auth.sessions import Sessions, end_in_closed_shops
from services.auth.shops import Shops, apply_uninstalls
from services.auth.tokens import DEMO_SHOP, Tokens

FORGET_SECONDS: Final = 60.0


def service(world: World) -> Service:
    settings = world.settings
    units: Units[Merchants] = world.units("auth", PostgresMerchants)
    session_units: Units[SessionBook] = world.units("auth", PostgresSessions)
    master_key = load_key(settings.master_key_file)
    shops = Shops(units, EnvelopeKeys(master_key))
    keys = load_signing_keys(settings.jwt_key_file, settings.previous_jwt_key_file)
    sessions = Sessions(session_units, JwtIssuer(keys, world.clock), HmacRefreshTokens(master_key))
    revoking = Revoking(session_units, units, sessions)
    tokens = Tokens(
        units,
        session_units,
        world.mesh,
        sessions,
        JwtVerifier(keys, world.clock),
        development=settings.demo,
    )

    copying = Copying(session_units, ValkeyRevocations(world.valkey))

    async def forget_ended_sessions() -> None:
        async with session_units() as unit:
            await unit.stores.forget_ended(unit.now())

    async def register_demo_shop() -> None:
        """So that the first webhook of the demo shop finds it known."""
        request = auth.RegisterMerchant(
            shop_domain=DEMO_SHOP, currency="USD", time_zone="America/New_York"
        )
        async with units() as unit:
            await shops.register(unit, service_caller("auth"), request)

    return Service(
        name="auth",
        endpoints=(
            answers(auth.VALIDATE_MERCHANT, shops.validate),
            commands(auth.REGISTER_MERCHANT, units, shops.register),
            answers(auth.VALIDATE_TOKEN, tokens.validate),
            answers(auth.ISSUE_DEVELOPMENT_TOKEN, tokens.issue),
            answers(auth.OPEN_DEMO_SESSION, tokens.open_demo),
            answers(REFRESH_SESSION, sessions.refresh),
            answers(LOG_OUT, revoking.log_out),
            answers(LIST_SESSIONS, revoking.page),
            answers(REVOKE_SESSION, revoking.revoke_own),
            answers(REVOKE, revoking.revoke),
            answers(LIST_REVOKED, revoking.list_revoked),
        ),
        consumes=(
            Consumes((shop.APP_UNINSTALLED,), units, apply_uninstalls),
            Consumes((auth.MERCHANT_CHANGED,), session_units, end_in_closed_shops, inbox=False),
        ),
        loops=(
            Loop("copy of what is revoked", COPY_SECONDS, copying.run),
            Loop("sessions that are over", FORGET_SECONDS, forget_ended_sessions),
        ),
        on_start=(register_demo_shop,) if settings.demo else (),
    )
