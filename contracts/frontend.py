"""Frontend: pages and their parts, as the service that owns them hands them out."""

from typing import Final

from contracts.kit import PUBLIC, Contracts, Operation, Request, Response, get
from domain.errors import NotFound


class GetPage(Request, frozen=True, kw_only=True):
    pass


class GetAsset(Request, frozen=True, kw_only=True):
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

CONTRACTS: Final = Contracts(operations=(GET_PAGE, GET_ASSET))
