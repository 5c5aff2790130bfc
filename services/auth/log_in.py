"""Log-ins with Shopify's word: of a shop's staff in its admin, of its customers everywhere else."""

import hashlib
import re
from typing import Final

from contracts.caller import Audience, Caller, service_caller
from contracts.installs import (
    AdmitCustomer,
    CustomerToken,
    InvalidSessionToken,
    LogIn,
    LogInCustomer,
)
from contracts.roles import ADMIT_STAFF, AdmitStaff
from contracts.sessions import TokenPair
from contracts.shop import member_id
from domain.errors import InvalidRequest, NotFound, Problem
from domain.rbac import CUSTOMER
from domain.shop_domain import normalised
from ports.installs import InstallStores
from ports.merchants import Status
from ports.mesh import Mesh
from ports.sessions import Holder
from ports.shopify_access import SessionTokens, StaffProof
from ports.tokens import LIFETIME
from ports.unit import Units
from services.auth.installs import Installing
from services.auth.sessions import Sessions

_CUSTOMER_ID: Final = re.compile(r"[1-9][0-9]{0,19}")
_NOBODY: Final = CustomerToken(token=None, expires_at=None)


class LogIns:
    def __init__(
        self,
        units: Units[InstallStores],
        session_tokens: SessionTokens,
        installing: Installing,
        sessions: Sessions,
        mesh: Mesh,
    ) -> None:
        self._units = units
        self._session_tokens = session_tokens
        self._installing = installing
        self._sessions = sessions
        self._mesh = mesh

    async def staff(self, _: Caller, request: LogIn) -> TokenPair:
        """A session for whom App Bridge's token names."""
        proof = self._session_tokens.staff(request.session_token)
        merchant_id = await self._installing.of_staff(proof, request.session_token)
        subject = f"staff:{proof.user_id}"
        admitted = await self._mesh.call(
            ADMIT_STAFF, AdmitStaff(subject=subject), service_caller("auth", merchant_id)
        )
        # Last, so that a log-in that fails before can be tried again with the same token.
        await self._spend(proof)
        holder = Holder(Audience.MERCHANT, subject, merchant_id=merchant_id, role=admitted.role)
        return await self._sessions.open(holder, device="Shopify admin")

    async def customer(self, _: Caller, request: LogInCustomer) -> CustomerToken:
        """A token for the customer whom an extension's token names. Extensions keep such a token
        and show it again until it is over, so it counts more than once."""
        proof = self._session_tokens.customer(request.session_token)
        return await self._customer_token(proof.shop_domain, proof.customer_id, "extension")

    async def admit(self, _: Caller, request: AdmitCustomer) -> CustomerToken:
        customer = request.shopify_customer_id
        if customer and _CUSTOMER_ID.fullmatch(customer) is None:
            problem = Problem("/shopify_customer_id", "Expected a customer's id at Shopify.")
            raise InvalidRequest(problems=[problem])
        return await self._customer_token(normalised(request.shop_domain), customer, "storefront")

    async def _customer_token(
        self, shop_domain: str, shopify_customer_id: str, device: str
    ) -> CustomerToken:
        async with self._units() as unit:
            merchant = await unit.stores.by_domain(shop_domain)
        if merchant is None or merchant.status is not Status.ACTIVE:
            raise NotFound("No shop of this name uses LoyalNest.")
        if not shopify_customer_id:
            return _NOBODY
        customer_id = member_id(merchant.merchant_id, shopify_customer_id)
        holder = Holder(
            Audience.CUSTOMER,
            f"customer:{customer_id}",
            merchant_id=merchant.merchant_id,
            customer_id=customer_id,
            role=CUSTOMER,
            # As long as one access token: Shopify's word is had again at any time.
            lifetime=LIFETIME,
        )
        pair = await self._sessions.open(holder, device=device)
        return CustomerToken(token=pair.token, expires_at=pair.expires_at)

    async def _spend(self, proof: StaffProof) -> None:
        """A session token that somebody has copied is of no use once it was used."""
        digest = hashlib.sha256(f"{proof.shop_domain} {proof.token_id}".encode()).digest()
        async with self._units() as unit:
            if not await unit.stores.spend(digest, proof.expires_at):
                raise InvalidSessionToken
