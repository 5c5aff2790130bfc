"""Making real at the shop what a member has bought with points: codes, gift cards, store credit."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.errors import Unavailable
from domain.points.benefits import Benefit


@dataclass(frozen=True, slots=True)
class Purchase:
    """What is to be issued. ``redemption_id`` and ``code`` stay the same over all tries, so that a
    try whose answer was lost is found again instead of made twice. Only the customer
    (``shopify_customer_id``) may use the code, once, until ``ends_at`` (None: for ever). Benefits
    without a code pass ``code`` over."""

    redemption_id: UUID
    shopify_customer_id: str
    benefit: Benefit
    title: str
    starts_at: datetime
    ends_at: datetime | None
    code: str = field(repr=False)


class IssueRefused(Exception):
    """Shopify will never issue this; ``reason`` says why in words for the merchant, without
    personal data. Nothing was issued, so the points can go back."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotReached(Unavailable):
    """Shopify was not reached, or has not taken on the last thing that it was asked."""

    title = "Shopify cannot be asked at the moment; please try again."


class OutcomeUnknown(Unavailable):
    """A try before this one may have given store credit, and nobody can say yet. Nothing is given
    until that is clear, which takes ten minutes at most where nothing else is in the way; what is
    still not clear later than that, people have to look at."""

    title = "Whether Shopify has done this is not known yet."


class Issuing(Protocol):
    """Asks a shop's Shopify. Never from inside a transaction.

    Both raise ``domain.errors.Unavailable`` when the outcome is not known or the shop cannot be
    reached now (OutcomeUnknown where a repeat has to wait), ``contracts.installs.AccessLost`` when
    the shop has taken our access away.
    """

    async def issue(self, merchant_id: UUID, purchase: Purchase) -> str:
        """Shopify's id (``gid://…``) of what there is now; the same for every repeat. Raises
        IssueRefused."""
        ...

    async def withdraw(self, merchant_id: UUID, benefit: Benefit, external_id: str) -> bool:
        """Make a code or a gift card worthless that has not been used; False when it was used
        already, or is nothing that can be taken back. A repeat answers the same."""
        ...
