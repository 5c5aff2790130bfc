"""Telling the demo shop's admin which plan's webhooks were sent, so that its API knows the same."""

from collections.abc import Mapping

import httpx

from infra.demo_shop.delivery import SHOP_DOMAIN
from infra.demo_shop.stream import Plan
from infra.embedded.demo_admin import PORT_SETTING, api_base


async def tell(plan: Plan, environment: Mapping[str, str]) -> None:
    """Does nothing where there is no admin to tell. Raises httpx.HTTPError."""
    port = environment.get(PORT_SETTING)
    if not port:
        return
    told = {
        "seed": plan.seed,
        "run": plan.run,
        "orders": plan.orders,
        "customers": plan.customers,
        "now": plan.now.isoformat(),
        "span": plan.span.total_seconds(),
        "announce_products": plan.announce_products,
    }
    address = api_base(int(port)).replace("{shop}", SHOP_DOMAIN)
    async with httpx.AsyncClient() as http:
        (await http.post(f"{address}/plans", json=told)).raise_for_status()
