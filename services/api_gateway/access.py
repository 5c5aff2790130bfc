"""Who is asking: a token, checked here without a call, and what its bearer may do right now."""

from contracts.caller import ANYONE, Caller
from domain.errors import Unauthenticated
from ports.tokens import Claims, TokenVerifier
from services.api_gateway.permissions import Grants
from services.api_gateway.revoked import RevokedTokens


class Access:
    def __init__(self, verifier: TokenVerifier, revoked: RevokedTokens, grants: Grants) -> None:
        self._verifier = verifier
        self._revoked = revoked
        self._grants = grants

    async def caller(self, authorization: str) -> Caller:
        """The caller that an ``Authorization`` header names; anyone when there is none.

        Raises Unauthenticated for a header that holds no valid token of ours.
        """
        if not authorization:
            return ANYONE
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("Send the token as: Authorization: Bearer <token>.")
        return (await self.of_token(token.strip()))[0]

    async def of_token(self, token: str) -> tuple[Caller, Claims]:
        """The same for a bare token, with what it says."""
        claims = self._verifier.verify(token)
        self._revoked.check(claims)
        caller = Caller(
            audience=claims.audience,
            actor=claims.subject,
            merchant_id=claims.merchant_id,
            customer_id=claims.customer_id,
            role=claims.role,
            permissions=await self._grants.of(claims),
            session_id=claims.session_id,
            impersonator=claims.impersonator,
        )
        return caller, claims
