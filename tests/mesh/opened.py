"""Sessions as any log-in opens them, at an auth that runs."""

from adapters.crypto.merchant_keys import MerchantKeyMaker
from adapters.crypto.sealer import AesGcmSealer
from adapters.postgres.admin_log_ins import admin_stores
from adapters.postgres.sessions import PostgresSessions
from adapters.runtime.world import World
from adapters.tokens.jwt_tokens import JwtIssuer
from adapters.tokens.keys import load_signing_keys
from adapters.tokens.refresh import HmacRefreshTokens
from services.auth.sessions import Sessions
from services.auth.vault import Vaults


def sessions_of(world: World) -> Sessions:
    """The sessions of the auth whose world this is; by another clock if the world has one."""
    settings = world.settings
    vaults = Vaults(
        world.units_across_shops("auth", admin_stores),
        MerchantKeyMaker(world.key_management()),
        AesGcmSealer(),
    )

    async def refresh_tokens() -> HmacRefreshTokens:
        return HmacRefreshTokens((await vaults.open()).key.secret)

    return Sessions(
        world.units_across_shops("auth", PostgresSessions),
        world.units("auth", PostgresSessions),
        JwtIssuer(load_signing_keys(settings.jwt_key_file), world.clock),
        refresh_tokens,
    )
