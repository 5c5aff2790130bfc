"""Tokens: checked for whoever asks, and made without a log-in where development allows it."""

from typing import Final
from uuid import UUID

from contracts.auth import IssueDevelopmentToken, OpenDemoSession, Token, TokenClaims, ValidateToken
from contracts.caller import Audience, Caller, service_caller
from contracts.roles import GET_PERMISSIONS, PermissionsOf
from contracts.shop import member_id
from domain.errors import Forbidden, InvalidRequest, NotFound, Problem, Unauthenticated
from domain.rbac import CUSTOMER, DEFAULT_ROLES
from domain.shop_domain import normalised
from ports.merchants import Merchants, Status
from ports.mesh import Mesh
from ports.sessions import Holder, SessionBook
from ports.tokens import TokenVerifier
from ports.unit import Units
from services.auth.sessions import Sessions

DEMO_SHOP: Final = "demo-store.myshopify.com"
_DEMO_ROLE: Final = "analyst"
_BUILT_IN: Final = frozenset(role.name for role in DEFAULT_ROLES)


class Tokens:
    """``development``: whether tokens are made for anybody who asks; never so in production."""

    def __init__(
        self,
        units: Units[Merchants],
        session_units: Units[SessionBook],
        mesh: Mesh,
        sessions: Sessions,
        verifier: TokenVerifier,
        *,
        development: bool,
    ) -> None:
        self._units = units
        self._session_units = session_units
        self._mesh = mesh
        self._sessions = sessions
        self._verifier = verifier
        self._development = development

    async def validate(self, _: Caller, request: ValidateToken) -> TokenClaims:
        claims = self._verifier.verify(request.token)
        async with self._session_units() as unit:
            if await unit.stores.is_revoked(claims.session_id, claims.token_id):
                raise Unauthenticated("The access token has been revoked.")
        return TokenClaims(
            audience=claims.audience,
            subject=claims.subject,
            token_id=claims.token_id,
            merchant_id=claims.merchant_id,
            customer_id=claims.customer_id,
            role=claims.role,
            expires_at=claims.expires_at,
            session_id=claims.session_id,
            impersonator=claims.impersonator,
        )

    async def issue(self, _: Caller, request: IssueDevelopmentToken) -> Token:
        self._check_development()
        customer = request.shopify_customer_id
        if bool(customer) != (request.role == CUSTOMER):
            detail = f"Needed with the role {CUSTOMER}, and with no other."
            raise InvalidRequest(problems=[Problem("/shopify_customer_id", detail)])
        merchant_id = await self._active(request.shop_domain)
        if customer:
            return await self._member_token(merchant_id, customer)
        if request.role not in _BUILT_IN:
            # Raises NotFound for a role that this shop has not.
            await self._mesh.call(
                GET_PERMISSIONS,
                PermissionsOf(role=request.role),
                service_caller("auth", merchant_id),
            )
        return await self._staff_token(merchant_id, request.role, "development")

    async def open_demo(self, _: Caller, __: OpenDemoSession) -> Token:
        self._check_development()
        return await self._staff_token(await self._active(DEMO_SHOP), _DEMO_ROLE, "demo")

    def _check_development(self) -> None:
        if not self._development:
            raise Forbidden("Log-ins for development are off here.")

    async def _active(self, shop_domain: str) -> UUID:
        async with self._units() as unit:
            merchant = await unit.stores.by_domain(normalised(shop_domain))
        if merchant is None or merchant.status is not Status.ACTIVE:
            raise NotFound("No shop of this name uses LoyalNest.")
        return merchant.merchant_id

    async def _staff_token(self, merchant_id: UUID, role: str, actor: str) -> Token:
        return await self._session_token(
            Holder(Audience.MERCHANT, actor, merchant_id=merchant_id, role=role)
        )

    async def _member_token(self, merchant_id: UUID, shopify_customer_id: str) -> Token:
        customer_id = member_id(merchant_id, shopify_customer_id)
        return await self._session_token(
            Holder(
                Audience.CUSTOMER,
                f"customer:{customer_id}",
                merchant_id=merchant_id,
                customer_id=customer_id,
                role=CUSTOMER,
            )
        )

    async def _session_token(self, holder: Holder) -> Token:
        """A token of a session of its own, so that it can be revoked like any other."""
        pair = await self._sessions.open(holder, device="development")
        return Token(token=pair.token, expires_at=pair.expires_at)
