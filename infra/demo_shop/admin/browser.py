"""What a browser gets from Shopify without asking the app: App Bridge's and extensions' tokens.

There is nobody to log in to on this machine, so whoever asks is whom they say.
"""

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from infra.demo_shop.admin.credentials import extension_token, proxied_query, session_token
from infra.demo_shop.admin.grants import Grants
from infra.demo_shop.admin.oauth import AnyRequest, shop_of


def browser_routes(grants: Grants) -> list[HTTPRouteHandler]:
    @get("/{shop:str}/session-token", sync_to_thread=False)
    def session(request: AnyRequest) -> Response[str]:
        """A member of staff who looks at the app in the shop's admin."""
        user = request.query_params.get("user", "1")
        return _plain(session_token(grants.app, shop_of(request), user, grants.now()))

    @get("/{shop:str}/extension-token", sync_to_thread=False)
    def extension(request: AnyRequest) -> Response[str]:
        """A customer at the checkout or in their account; nobody without ``customer``."""
        customer = request.query_params.get("customer", "")
        return _plain(extension_token(grants.app, shop_of(request), customer, grants.now()))

    @get("/{shop:str}/proxied-query", sync_to_thread=False)
    def proxied(request: AnyRequest) -> Response[str]:
        """A storefront that asks the app through the shop."""
        customer = request.query_params.get("customer", "")
        return _plain(proxied_query(grants.app, shop_of(request), customer, grants.now()))

    return [session, extension, proxied]


def _plain(text: str) -> Response[str]:
    return Response(text, media_type="text/plain", headers={"Cache-Control": "no-store"})
