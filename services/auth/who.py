"""Which admin a caller is."""

from uuid import UUID

from contracts.caller import Audience, Caller
from domain.errors import Forbidden


def admin_id(caller: Caller) -> UUID:
    """Raises Forbidden for everybody who is none."""
    if caller.audience is not Audience.ADMIN:
        raise Forbidden("This is for LoyalNest's own staff.")
    try:
        return UUID(caller.actor)
    except ValueError:
        raise Forbidden from None
