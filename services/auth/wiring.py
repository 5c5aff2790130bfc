"""How the auth service is put together."""

import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from adapters.crypto.keyring import CHECK_SECONDS, Keyring
from adapters.crypto.merchant_keys import MerchantKeyMaker
from adapters.crypto.passwords import Argon2Passwords
from adapters.crypto.sealer import AesGcmSealer
from adapters.crypto.totp import PyotpTotp
from adapters.http.install import CALLBACK
from adapters.nats.consumer import Consumes
from adapters.nats.server import Endpoint
from adapters.oidc.provider import Client, OidcProvider
from adapters.postgres.admin_log_ins import admin_stores
from adapters.postgres.installs import PostgresInstalls
from adapters.postgres.locks import AdvisoryLocks
from adapters.postgres.merchant_keys import PostgresMerchantKeys
from adapters.postgres.merchants import PostgresMerchants
from adapters.postgres.organizations import PostgresMemberships, PostgresOrganizations
from adapters.postgres.resealing import SealedColumn, SealedTable
from adapters.postgres.sessions import PostgresSessions
from adapters.runtime.resealing import resealed
from adapters.runtime.service import Loop, Service, answers, commands, prepared_commands
from adapters.runtime.world import World
from adapters.shopify.oauth import ShopifyOAuth
from adapters.shopify.reach import Reach
from adapters.shopify.session_tokens import ShopifySessionTokens
from adapters.tokens.jwt_tokens import JwtIssuer, JwtVerifier
from adapters.tokens.keys import load_signing_keys
from adapters.tokens.refresh import HmacRefreshTokens
from adapters.valkey.revocations import ValkeyRevocations
from contracts import admins, auth, impersonations, installs, keys, organizations, shop
from contracts.caller import service_caller
from contracts.sessions import (
    LIST_REVOKED,
    LIST_SESSIONS,
    LOG_OUT,
    REFRESH_SESSION,
    REVOKE,
    REVOKE_SESSION,
)
from contracts.suspensions import LIST_SUSPENDED, RESUME_MERCHANT, SUSPEND_MERCHANT
from domain.admins.guessing import FORGOTTEN_AFTER
from domain.admins.staff import DEVICE_LASTS
from ports.admin_log_ins import AdminStores
from ports.installs import SHOPIFY_ACCESS, InstallStores
from ports.merchant_keys import KeyStores
from ports.merchants import Merchants
from ports.organizations import Memberships, Organizations
from ports.sealing import KeyMaker, ShopKeys
from ports.sessions import SessionBook
from ports.unit import Units
from services.auth.access import Access, PairSealer
from services.auth.colleagues import Colleagues
from services.auth.copying import COPY_SECONDS, Copying
from services.auth.first_factor import FirstFactor
from services.auth.impersonating import Impersonating
from services.auth.installs import Installing
from services.auth.invitations import Inviting
from services.auth.keys import Keys
from services.auth.log_in import LogIns
from services.auth.oidc import OidcLogIn
from services.auth.organizations import Organizing, leave_with_the_app
from services.auth.own_account import OwnAccount
from services.auth.rescue import Rescue
from services.auth.revoking import Revoking
from services.auth.rewrapping import Adopting, Retiring, Rewrapping
from services.auth.second_factor import SecondFactor
from services.auth.sessions import Sessions, end_in_closed_shops
from services.auth.shops import Shops, apply_scopes, apply_uninstalls
from services.auth.signing_out import SigningOut
from services.auth.suspending import Suspending
from services.auth.tokens import DEMO_SHOP, Tokens
from services.auth.vault import Vaults

FORGET_SECONDS: Final = 60.0
OVERDUE_SECONDS: Final = 2.0
FINISH_SECONDS: Final = 30.0
TIDY_SECONDS: Final = 600.0

ADOPT_SECONDS: Final = 60.0
REWRAP_SECONDS: Final = 1.0
RETIRE_SECONDS: Final = 3600.0

_SEALED: Final = SealedTable(
    "installs", "merchant_id", {"sealed_pair": SealedColumn(SHOPIFY_ACCESS)}
)

STATE_BYTES: Final = 32
RETURN_PATH: Final = "/admin/oidc"
"""The page that an identity provider sends browsers back to."""


def service(world: World) -> Service:
    settings = world.settings
    units: Units[Merchants] = world.units_across_shops("auth", PostgresMerchants)
    install_units: Units[InstallStores] = world.units_across_shops("auth", PostgresInstalls)
    installs_of_shops: Units[InstallStores] = world.units("auth", PostgresInstalls)
    session_units: Units[SessionBook] = world.units_across_shops("auth", PostgresSessions)
    sessions_of_shop: Units[SessionBook] = world.units("auth", PostgresSessions)
    maker = MerchantKeyMaker(world.key_management())
    shop_keys = Keyring(world.mesh, world.key_management(), "auth")
    shops = Shops(units, maker, world.ids.new)
    signing_keys = load_signing_keys(settings.jwt_key_file)
    staff_units: Units[AdminStores] = world.units_across_shops("auth", admin_stores)
    vaults = Vaults(staff_units, maker, AesGcmSealer())

    async def refresh_tokens() -> HmacRefreshTokens:
        return HmacRefreshTokens((await vaults.open()).key.secret)

    sessions = Sessions(
        session_units, sessions_of_shop, JwtIssuer(signing_keys, world.clock), refresh_tokens
    )
    impersonating = Impersonating(staff_units, world.units("auth", admin_stores), sessions)
    revoking = Revoking(session_units, sessions_of_shop, units, sessions, impersonating)
    suspending = Suspending(units, sessions)
    tokens = Tokens(
        units,
        session_units,
        world.mesh,
        sessions,
        JwtVerifier(signing_keys, world.clock),
        development=settings.demo,
    )

    key_endpoints, key_loops = _keys(world, maker)
    organization_endpoints, leaving = _organizations(world, maker)
    count, rotations, reseal = resealed(world, "auth", _SEALED, shop_keys)
    staff_endpoints, staff_loops, staff_stops = _staff(
        world, staff_units, vaults, sessions, impersonating
    )
    from_shopify, forget_errands, close_shopify = _from_shopify(
        world, install_units, installs_of_shops, shops, shop_keys, sessions
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
        await shops.register(service_caller("auth"), request)

    return Service(
        name="auth",
        endpoints=(
            answers(auth.VALIDATE_MERCHANT, shops.validate),
            answers(auth.REGISTER_MERCHANT, shops.register),
            answers(auth.VALIDATE_TOKEN, tokens.validate),
            answers(auth.ISSUE_DEVELOPMENT_TOKEN, tokens.issue),
            answers(auth.OPEN_DEMO_SESSION, tokens.open_demo),
            answers(REFRESH_SESSION, sessions.refresh),
            answers(LOG_OUT, revoking.log_out),
            answers(LIST_SESSIONS, revoking.page),
            answers(REVOKE_SESSION, revoking.revoke_own),
            answers(REVOKE, revoking.revoke),
            answers(LIST_REVOKED, revoking.list_revoked),
            answers(SUSPEND_MERCHANT, suspending.suspend),
            answers(RESUME_MERCHANT, suspending.resume),
            answers(LIST_SUSPENDED, suspending.page),
            *from_shopify,
            *key_endpoints,
            *organization_endpoints,
            count,
            *staff_endpoints,
        ),
        consumes=(
            rotations,
            Consumes((shop.APP_UNINSTALLED,), installs_of_shops, apply_uninstalls),
            Consumes(
                (shop.SCOPES_CHANGED,),
                installs_of_shops,
                apply_scopes,
                name="auth-scopes",
                inbox=False,
            ),
            Consumes((auth.MERCHANT_CHANGED,), session_units, end_in_closed_shops, inbox=False),
            leaving,
        ),
        loops=(
            Loop("copy of what is revoked", COPY_SECONDS, copying.run),
            Loop("sessions that are over", FORGET_SECONDS, forget_ended_sessions),
            Loop("errands that are over", FORGET_SECONDS, forget_errands),
            Loop("changes of keys", CHECK_SECONDS, shop_keys.learn),
            *key_loops,
            reseal,
            *staff_loops,
        ),
        on_start=(
            partial(shop_keys.listen, world.client),
            *((register_demo_shop,) if settings.demo else ()),
        ),
        on_stop=(*staff_stops, close_shopify),
    )


def _from_shopify(
    world: World,
    units: Units[InstallStores],
    of_shop: Units[InstallStores],
    shops: Shops,
    keys: ShopKeys,
    sessions: Sessions,
) -> tuple[tuple[Endpoint, ...], Callable[[], Awaitable[None]], Callable[[], Awaitable[None]]]:
    """Getting in from Shopify: what is answered, what is repeated, what is closed at the end."""
    settings = world.settings
    app = (
        settings.shopify_client_id,
        settings.shopify_client_secret,
        settings.shopify_previous_client_secret,
    )
    shopify = ShopifyOAuth(*app, Reach(settings.shopify_api_base), world.clock)
    pairs = PairSealer(keys, AesGcmSealer())
    locks = AdvisoryLocks(world.database("auth"))
    access = Access(of_shop, shopify, pairs, locks, world.clock)
    installing = Installing(
        units,
        shopify,
        pairs,
        shops,
        locks,
        world.clock,
        callback_url=settings.public_origin + CALLBACK,
        new_state=lambda: secrets.token_urlsafe(STATE_BYTES),
    )
    log_ins = LogIns(
        units, ShopifySessionTokens(*app, world.clock), installing, sessions, world.mesh
    )
    endpoints = (
        answers(installs.BEGIN_INSTALL, installing.begin),
        answers(installs.COMPLETE_INSTALL, installing.complete),
        answers(installs.GET_SHOPIFY_ACCESS, access.get),
        answers(installs.LOG_IN, log_ins.staff),
        answers(installs.LOG_IN_CUSTOMER, log_ins.customer),
        answers(installs.ADMIT_CUSTOMER, log_ins.admit),
    )
    return endpoints, installing.forget_over, shopify.close


def _keys(world: World, maker: KeyMaker) -> tuple[tuple[Endpoint, ...], tuple[Loop, ...]]:
    """The keys of shops: what is answered, what is repeated."""
    units: Units[KeyStores] = world.units_across_shops("auth", PostgresMerchantKeys)
    management = world.key_management()
    shop_keys = Keys(units, maker, management, world.mesh)
    endpoints = (
        answers(keys.ROTATE_MASTER_KEY, shop_keys.rotate_master),
        prepared_commands(
            keys.ROTATE_MERCHANT_KEY, units, shop_keys.prepare_rotation, shop_keys.rotate_merchant
        ),
        answers(keys.GET_KEY_PROGRESS, shop_keys.progress),
        commands(keys.ERASE_MERCHANT_KEYS, units, shop_keys.erase),
        answers(keys.LIST_KEY_CHANGES, shop_keys.changes),
    )
    loops = (
        Loop("versions of keys", ADOPT_SECONDS, Adopting(units, maker).run),
        Loop("a new master key", REWRAP_SECONDS, Rewrapping(units, management).run),
        Loop("old keys", RETIRE_SECONDS, Retiring(units, shop_keys).run),
    )
    return endpoints, loops


def _organizations(
    world: World, maker: KeyMaker
) -> tuple[tuple[Endpoint, ...], Consumes[Organizations]]:
    """Organisations of shops: what is answered, and what is heard."""
    units: Units[Organizations] = world.units_across_shops("auth", PostgresOrganizations)
    own: Units[Memberships] = world.units("auth", PostgresMemberships)
    organizing = Organizing(units, own, maker, secrets.token_bytes, world.ids.new)
    endpoints = (
        answers(organizations.GET_ORGANIZATION, organizing.get),
        answers(organizations.CREATE_ORGANIZATION, organizing.create),
        answers(organizations.INVITE_SHOP, organizing.invite),
        answers(organizations.JOIN_ORGANIZATION, organizing.join),
        answers(organizations.LEAVE_ORGANIZATION, organizing.leave),
        answers(organizations.GET_ORGANIZATION_KEY, organizing.key),
    )
    leaving = Consumes(
        (auth.MERCHANT_CHANGED,),
        units,
        leave_with_the_app,
        name="auth-organizations",
        inbox=False,  # who has left is in no organisation
    )
    return endpoints, leaving


def _staff(
    world: World,
    units: Units[AdminStores],
    vaults: Vaults,
    sessions: Sessions,
    impersonating: Impersonating,
) -> tuple[tuple[Endpoint, ...], tuple[Loop, ...], tuple[Callable[[], Awaitable[None]], ...]]:
    """LoyalNest's own staff: what it is answered, what is repeated, what is closed at the end."""
    passwords, totp, random = Argon2Passwords(), PyotpTotp(), secrets.token_bytes
    provider = _identity_provider(world)
    first = FirstFactor(units, vaults, passwords, random)
    second = SecondFactor(units, vaults, totp, sessions, random)
    oidc = OidcLogIn(units, vaults, provider, random)
    own = OwnAccount(units, vaults, passwords, totp, sessions, random)
    inviting = Inviting(units, vaults, passwords, random)
    colleagues = Colleagues(units, vaults, sessions)
    rescue = Rescue(units, vaults, passwords, totp, sessions, random)

    async def tidy() -> None:
        async with units() as unit:
            now = unit.now()
            await unit.stores.log_ins.tidy(now, now - FORGOTTEN_AFTER, now - DEVICE_LASTS)

    endpoints = (
        answers(admins.LOG_IN_ADMIN, first.log_in),
        answers(admins.ENROL_AUTHENTICATOR, second.enrol),
        answers(admins.ANSWER_CHALLENGE, second.answer),
        answers(admins.BEGIN_OIDC, oidc.begin),
        answers(admins.FINISH_OIDC, oidc.finish),
        answers(admins.CHANGE_PASSWORD, own.change_password),
        answers(admins.RENEW_RECOVERY_CODES, own.renew_recovery_codes),
        answers(admins.REPLACE_AUTHENTICATOR, own.replace_authenticator),
        answers(admins.INVITE_ADMIN, inviting.invite),
        answers(admins.LIST_INVITATIONS, inviting.page),
        answers(admins.WITHDRAW_INVITATION, inviting.withdraw),
        answers(admins.ACCEPT_INVITATION, inviting.accept),
        answers(admins.LIST_ADMINS, colleagues.page),
        answers(admins.DISABLE_ADMIN, colleagues.disable),
        answers(admins.ENABLE_ADMIN, colleagues.enable),
        answers(admins.CHANGE_ADMIN_ROLE, colleagues.change_role),
        answers(admins.CREATE_ADMIN, rescue.create),
        answers(admins.RECOVER_ADMIN, rescue.recover),
        answers(impersonations.START_IMPERSONATION, impersonating.start),
        answers(impersonations.LIST_IMPERSONATIONS, impersonating.page),
        answers(impersonations.END_IMPERSONATION, impersonating.end),
        answers(impersonations.LIST_VISITS, impersonating.visits),
        answers(impersonations.END_VISIT, impersonating.end_visit),
    )
    loops = (
        Loop("impersonations that are over", OVERDUE_SECONDS, impersonating.end_overdue),
        Loop("half-done sign-outs", FINISH_SECONDS, SigningOut(units, sessions).finish),
        Loop("log-ins that are over", TIDY_SECONDS, tidy),
    )
    return endpoints, loops, () if provider is None else (provider.close,)


def _identity_provider(world: World) -> OidcProvider | None:
    settings = world.settings
    if not settings.oidc_issuer:
        return None
    client = Client(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret,
        redirect_url=f"{settings.public_origin}{RETURN_PATH}",
    )
    return OidcProvider(client, world.clock)
