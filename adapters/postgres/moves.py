"""Shops that can be moved to another store: how the service's transactions keep out of those that
live elsewhere (docs/decisions/0041-moving.md)."""

from typing import Final
from uuid import UUID

from adapters.postgres.tenancy import MOVABLE, Scope
from ports.moving import ShopMoving

GATE: Final = 76212
"""The advisory lock that every transaction of a movable service shares, and that who moves has for
itself for a moment: then all that had begun has ended."""

_ELSEWHERE: Final = "LN001"


def entering(service: str, scope: Scope, *, across_shops: bool) -> Scope:
    """The scope of a transaction of ``service``. Where shops may live elsewhere it also asks, in
    the same round trip, whether these do; of all shops, row-level security shows only the others.
    """
    if service not in MOVABLE:
        return scope
    ask = f"pg_advisory_xact_lock_shared({GATE})" if across_shops else "enter_shops()"
    return Scope(f"{scope} SELECT {ask};")


def shop_moving(error: BaseException | None) -> ShopMoving | None:
    """What ``enter_shops`` has said, if that is what went wrong."""
    while error is not None:
        if is_elsewhere(error):
            detail: str = getattr(error, "detail", "")
            return ShopMoving(map(UUID, detail.split()))
        error = error.__cause__
    return None


def is_elsewhere(error: BaseException) -> bool:
    """Whether this is PostgreSQL's own word that a shop lives elsewhere."""
    return getattr(error, "sqlstate", None) == _ELSEWHERE and hasattr(error, "detail")
