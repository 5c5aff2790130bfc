"""The client of Shopify's Admin API, as a service's wiring gets it."""

from adapters.runtime.world import World
from adapters.shopify.admin.access import ShopAccess
from adapters.shopify.admin.client import AdminClient
from adapters.shopify.admin.exchange import Exchange
from adapters.shopify.admin.issuing import ShopifyIssuing
from adapters.shopify.admin.store_credit import StoreCredits
from adapters.shopify.reach import Reach
from adapters.valkey.shopify_limits import ValkeyShopifyLimits


def admin_client(world: World, service: str) -> AdminClient:
    """Asks as ``service``; to be closed when the service stops."""
    return AdminClient(
        ShopAccess(world.mesh, service, world.clock),
        Exchange(Reach(world.settings.shopify_api_base)),
        ValkeyShopifyLimits(world.valkey),
    )


def issuing(world: World, client: AdminClient) -> ShopifyIssuing:
    return ShopifyIssuing(client, StoreCredits(client, world.clock))
