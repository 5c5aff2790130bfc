"""May this caller call this operation? One rule, used by the gateway and again by every service."""

import msgspec

from contracts.caller import Audience, Caller
from contracts.kit import AUTHENTICATED, INTERNAL, PUBLIC, Operation, Request
from domain.errors import Forbidden, Unauthenticated
from domain.rbac import ADMIN, allows


def check_permission(operation: Operation[Request, msgspec.Struct], caller: Caller) -> None:
    """Deny by default. LoyalNest's own staff reach what is about LoyalNest, and everybody else what
    is about a shop, whatever permissions somebody managed to be given: there is no way from one to
    the other but impersonation.

    Raises Unauthenticated when a token is needed and there is none, Forbidden when the caller's
    role does not hold the operation's permission.
    """
    needed = operation.permission
    if needed == PUBLIC or caller.audience is Audience.SERVICE:
        return
    if caller.audience is Audience.ANYONE:
        raise Unauthenticated
    if needed == AUTHENTICATED:
        return
    if (needed in ADMIN) is not (caller.audience is Audience.ADMIN):
        raise Forbidden
    if needed == INTERNAL or not allows(frozenset(caller.permissions), needed):
        raise Forbidden
