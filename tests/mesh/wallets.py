"""What members have, as the points service tells it."""

from collections.abc import Mapping
from uuid import UUID

from adapters.runtime.host import Process
from contracts import points
from contracts.caller import service_caller
from contracts.shop import member_id
from ports.mesh import Mesh
from tests.mesh.said import mesh_of


async def balance_of(process: Process, merchant: UUID, customer: str = "c1") -> points.Balance:
    """Raises NotFound until the member has something."""
    asked = points.BalanceOf(shopify_customer_id=customer)
    return await mesh_of(process).call(points.GET_BALANCE, asked, service_caller("test", merchant))


async def spendable(process: Process, merchant: UUID, customer: str = "c1") -> int:
    return (await balance_of(process, merchant, customer)).spendable


async def balances(mesh: Mesh, merchant: UUID, customers: list[str]) -> Mapping[str, int]:
    """Spendable points by Shopify's customer id, of those who have any."""
    named = {member_id(merchant, each): each for each in customers}
    asked = points.BalancesOf(customer_ids=tuple(named))
    found = await mesh.call(points.GET_BALANCES, asked, service_caller("test", merchant))
    return {named[each.customer_id]: each.spendable for each in found.balances if each.spendable}
