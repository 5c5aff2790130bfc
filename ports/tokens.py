"""Access tokens: who is asking, said by auth and believed by everybody for a quarter of an hour."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol
from uuid import UUID

import msgspec

from contracts.caller import Audience

LIFETIME: Final = timedelta(minutes=15)
LEEWAY: Final = timedelta(seconds=10)
"""How far the clocks of two machines may be apart."""

BEARERS: Final = frozenset({Audience.MERCHANT, Audience.CUSTOMER, Audience.ADMIN})
"""Who can hold an access token: services and anyone cannot."""


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a verified token says. Merchant and customer tokens always name their merchant, customer
    tokens their customer too; ``token_id`` (jti) and ``session_id`` are what revocation goes by.
    ``impersonator`` is who acts in the name of the subject, if somebody does."""

    audience: Audience
    subject: str
    token_id: str
    issued_at: datetime
    expires_at: datetime
    merchant_id: UUID | None = None
    customer_id: UUID | None = None
    role: str = ""
    session_id: UUID | None = None
    impersonator: str = ""


class Issued(NamedTuple):
    """A new access token, and when it is over."""

    token: str
    expires_at: datetime


class TokenIssuer(Protocol):
    """Makes access tokens. Only auth has one."""

    def issue(
        self,
        audience: Audience,
        subject: str,
        *,
        merchant_id: UUID | None = None,
        customer_id: UUID | None = None,
        role: str = "",
        session_id: UUID | None = None,
        impersonator: str = "",
        until: datetime | None = None,
    ) -> Issued:
        """A signed token, valid from now for ``LIFETIME``, or until ``until`` if that is sooner.

        Raises ValueError for an audience that cannot hold a token, or whose merchant or customer
        is not given.
        """
        ...


class TokenVerifier(Protocol):
    """Checks access tokens without asking anybody; revocation is a question for auth."""

    def verify(self, token: str, audiences: Collection[Audience] = BEARERS) -> Claims:
        """What ``token`` says, if all of it is in order and it is meant for one of ``audiences``.

        Raises ``domain.errors.Unauthenticated``, with a text that helps and gives nothing away.
        """
        ...
