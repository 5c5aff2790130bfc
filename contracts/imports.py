"""Core: bringing in what a shop had before it came: its customers and orders, from Shopify."""

from typing import Final

from contracts.kit import (
    Contracts,
    Idempotency,
    Instant,
    Nothing,
    Operation,
    Response,
    get,
    post,
)
from domain.errors import NotFound


class Import(Response, frozen=True, kw_only=True):
    """The newest import of the shop.

    ``state`` is ``waiting``, ``running``, ``done`` or ``failed``; ``phase`` what is brought in:
    ``customers``, then ``orders``. ``found`` is what Shopify has found for this phase so far, the
    lines of orders counted too; ``customers`` and ``orders`` what has been brought in, ``skipped``
    what could not be understood. ``problem`` says in words what is in the way, or was.
    """

    state: str
    phase: str
    found: int = 0
    customers: int = 0
    orders: int = 0
    skipped: int = 0
    problem: str = ""
    started_at: Instant
    finished_at: Instant | None = None


GET_IMPORT: Final = Operation(
    "core.v1.GetImport",
    Nothing,
    Import,
    permission="settings:read",
    summary="How far the shop's customers and orders of before have been brought in.",
    http=get("/v1/api/imports/current"),
    errors=(NotFound,),
)

START_IMPORT: Final = Operation(
    "core.v1.StartImport",
    Nothing,
    Import,
    permission="settings:write",
    summary="Bring in the shop's customers and orders anew; one that is under way goes on instead. "
    "Nothing is counted twice. What was bought before the program's `earns_from` earns nothing.",
    http=post("/v1/api/imports"),
    idempotency=Idempotency.NATURAL,
)

CONTRACTS: Final = Contracts(operations=(GET_IMPORT, START_IMPORT))
