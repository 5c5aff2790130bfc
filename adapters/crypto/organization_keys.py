"""``ports.organization_keys``: auth has the wrapped keys, the key service unwraps them.

Nothing is remembered: whoever asks works on many members with the answer, and a shop that has left
is answered nothing from the same moment.
"""

import hmac
import logging
import unicodedata
from typing import Final
from uuid import UUID

from adapters.crypto.derive import derived
from contracts.caller import service_caller
from contracts.organizations import GET_ORGANIZATION_KEY, GetOrganizationKey
from domain.errors import DeadlineExceeded, Unavailable
from domain.keys import KeysShut
from domain.linking import pool_of
from ports.key_management import ORGANIZATION, KeyContext, KeyManagement
from ports.mesh import Mesh
from ports.sealing import CannotOpen

log = logging.getLogger(__name__)

_DEADLINE: Final = 2.0


class HmacPools:
    def __init__(self, organization_id: UUID, secret: bytes) -> None:
        self._organization_id = organization_id
        self._key = derived(secret, "organization e-mail index")

    def of(self, email: str) -> UUID | None:
        # Bytes, so that the case of ASCII alone is folded: "ß" and "ss" would be one otherwise, and
        # are mailboxes of two. Lone surrogates are no text, but must not stop anybody either.
        plain = unicodedata.normalize("NFC", email).strip()
        message = plain.encode("utf-8", "surrogatepass").lower()
        if not message:
            return None
        index = hmac.digest(self._key, message, "sha256").hex()
        return pool_of(self._organization_id, index)


class MeshOrganizationKeys:
    """``service`` is whom auth is asked as."""

    def __init__(self, mesh: Mesh, management: KeyManagement, service: str) -> None:
        self._mesh = mesh
        self._management = management
        self._service = service
        self._shut: set[UUID] = set()
        """Organisations whose keys did not unwrap; logged once each."""

    async def pools(self, merchant_id: UUID, organization_id: UUID) -> HmacPools:
        request = GetOrganizationKey(organization_id=organization_id)
        caller = service_caller(self._service, merchant_id)
        try:
            found = await self._mesh.call(GET_ORGANIZATION_KEY, request, caller, deadline=_DEADLINE)
        except DeadlineExceeded as error:
            raise Unavailable from error
        context = KeyContext(organization_id, ORGANIZATION)
        try:
            secret = await self._management.unwrap(found.wrapped_key, context)
        except CannotOpen:
            if organization_id not in self._shut:
                log.error("the key of organisation %s does not unwrap", organization_id)  # noqa: TRY400 - says all there is
                self._shut.add(organization_id)
            raise KeysShut from None
        self._shut.discard(organization_id)
        return HmacPools(organization_id, secret)
