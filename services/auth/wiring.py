"""How the auth service is put together."""

from adapters.crypto.keyfile import load_key
from adapters.crypto.keys import EnvelopeKeys
from adapters.nats.consumer import Consumes
from adapters.postgres.merchants import PostgresMerchants
from adapters.postgres.sessions import PostgresSessions
from adapters.runtime.service import Service, answers, commands
from adapters.runtime.world import World
from adapters.tokens.jwt_tokens import JwtIssuer, JwtVerifier
from adapters.tokens.keys import load_signing_keys
from adapters.tokens.refresh import HmacRefreshTokens
from contracts import auth, shop
from contracts.caller import service_caller
from ports.merchants import Merchants
from ports.sessions import SessionBook
from ports.unit import Units
from services.auth.sessions import Sessions
from services.auth.shops import Shops, apply_uninstalls
from services.auth.tokens import DEMO_SHOP, Tokens


def service(world: World) -> Service:
    settings = world.settings
    units: Units[Merchants] = world.units("auth", PostgresMerchants)
    session_units: Units[SessionBook] = world.units("auth", PostgresSessions)
    master_key = load_key(settings.master_key_file)
    shops = Shops(units, EnvelopeKeys(master_key))
    keys = load_signing_keys(settings.jwt_key_file, settings.previous_jwt_key_file)
    sessions = Sessions(session_units, JwtIssuer(keys, world.clock), HmacRefreshTokens(master_key))
    tokens = Tokens(
        units,
        world.mesh,
        sessions,
        JwtVerifier(keys, world.clock),
        development=settings.demo,
    )

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
        ),
        consumes=(Consumes((shop.APP_UNINSTALLED,), units, apply_uninstalls),),
        on_start=(register_demo_shop,) if settings.demo else (),
    )
