"""The first factor from an identity provider: its word for an address, instead of a password."""

import hmac
import logging
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from contracts.admins import AdminChallenge, BeginOidc, FinishOidc, OidcErrand
from contracts.caller import Caller
from domain.admins.errors import LogInRefused
from domain.admins.staff import ERRAND_LASTS
from domain.errors import NotFound
from ports.admin_log_ins import AdminStores
from ports.identity_provider import Errand, IdentityProvider, NotVouchedFor
from ports.unit import Units
from services.auth.challenges import Random, challenged, new_token, step_of
from services.auth.first_factor import known_device
from services.auth.vault import Vaults, digest

log = logging.getLogger(__name__)

_LONGEST: Final = 4_096  # characters of a code; providers' have about 100
_OFF: Final = "No identity provider is set up here."


class OidcLogIn:
    """``provider`` is None where none is set up."""

    def __init__(
        self,
        units: Units[AdminStores],
        vaults: Vaults,
        provider: IdentityProvider | None,
        random: Random,
    ) -> None:
        self._units = units
        self._vaults = vaults
        self._provider = provider
        self._random = random

    async def begin(self, _: Caller, __: BeginOidc) -> OidcErrand:
        provider = self._known_provider()
        token = new_token(self._random)
        address = await provider.address(_errand(token))
        async with self._units() as unit:
            expires_at = unit.now() + ERRAND_LASTS
            await unit.stores.log_ins.begin_errand(digest(token), expires_at)
        return OidcErrand(address=address, errand=token, expires_at=expires_at)

    async def finish(self, _: Caller, request: FinishOidc) -> AdminChallenge:
        """Finds the admin with the address that the provider vouches for; makes none."""
        provider = self._known_provider()
        errand = _errand(request.errand)
        if not hmac.compare_digest(errand.state.encode(), request.state.encode()):
            raise LogInRefused  # not what this browser was sent away with
        async with self._units() as unit:
            begun = await unit.stores.log_ins.take_errand(digest(request.errand), unit.now())
        if not begun or len(request.code) > _LONGEST:
            raise LogInRefused
        try:
            email = await provider.email(errand, request.code)
        except NotVouchedFor as why:
            log.warning("a log-in at the identity provider was refused: %s", why)
            raise LogInRefused from None
        vault = await self._vaults.open()
        async with self._units() as unit:
            admin = await unit.stores.admins.by_email(vault.account(email))
            if admin is None or not admin.is_active:
                raise LogInRefused
            device = await known_device(unit, admin.admin_id, request.device_token)
            return await challenged(unit, admin, step_of(admin), device, self._random)

    def _known_provider(self) -> IdentityProvider:
        if self._provider is None:
            raise NotFound(_OFF)
        return self._provider


def _errand(token: str) -> Errand:
    """All that the errand needs, made from the one secret that stays in the browser. So there is
    nothing to keep but that it was begun, and nobody else can come back from it."""
    parts: Mapping[str, str] = {
        use: hmac.digest(token.encode(), use.encode(), sha256).hex()
        for use in ("state", "nonce", "verifier")
    }
    return Errand(**parts)
