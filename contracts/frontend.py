"""Frontend: pages and their parts, as the service that owns them hands them out."""

from typing import Final

from contracts.kit import PUBLIC, Contracts, Operation, Request, Response, get
from domain.errors import NotFound


class GetPage(Request, frozen=True, kw_only=True):
    pass


class GetAsset(Request, frozen=True, kw_only=True):
    """``path`` is the part's name, with or without a slash before it."""

    path: str


class File(Response, frozen=True, kw_only=True):
    """A file to be served as it is: the gateway sends ``content`` with ``media_type``."""

    content: bytes
    media_type: str
    etag: str


GET_PAGE: Final = Operation(
    "frontend.v1.GetPage",
    GetPage,
    File,
    permission=PUBLIC,
    summary="The page of the shop.",
    http=get("/"),
)

GET_ASSET: Final = Operation(
    "frontend.v1.GetAsset",
    GetAsset,
    File,
    permission=PUBLIC,
    summary="A part of the page.",
    http=get("/frontend/{path:path}"),
    errors=(NotFound,),
)


class GetShop(Request, frozen=True, kw_only=True):
    pass


class Shop(Response, frozen=True, kw_only=True):
    """The shop that the caller's token belongs to. ``status`` is "active", "suspended" or
    "uninstalled", ``currency`` ISO 4217, ``time_zone`` an IANA name."""

    shop_domain: str
    status: str
    currency: str
    time_zone: str


GET_SHOP: Final = Operation(
    "frontend.v1.GetShop",
    GetShop,
    Shop,
    permission="settings:read",
    summary="Whose shop the page shows.",
    http=get("/v1/api/frontend/shop"),
    errors=(NotFound,),
)

CONTRACTS: Final = Contracts(operations=(GET_PAGE, GET_ASSET, GET_SHOP))
