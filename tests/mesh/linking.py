"""Members of an organisation's shops: how they are told of, and what is worked out of it."""

from dataclasses import dataclass, field

from adapters.postgres.connection import text
from adapters.postgres.tenancy import ACROSS_SHOPS
from adapters.runtime.host import Process
from contracts import shop
from tests.conftest import eventually
from tests.mesh.organizations import Store
from tests.mesh.people import Shop, open_shop
from tests.mesh.said import world_of


@dataclass(frozen=True)
class House:
    """Shops of one organisation, and how what is said of their members is heard."""

    process: Process
    shops: list[Shop] = field(default_factory=list)

    async def open(self) -> Shop:
        """One more shop, which joins at once."""
        one = await open_shop(self.process)
        self.shops.append(one)
        if len(self.shops) == 1:
            await store(one).creates()
        else:
            await store(one).joins(await store(self.shops[0]).code())
        return one


def store(one: Shop) -> Store:
    return Store(one.process, one.id, "")


async def tells(
    one: Shop, customer: str, email: str, hour: int = 0, *, verified: bool = True
) -> None:
    await one.says(shop.CUSTOMER_UPDATED, one.record(customer, email, hour, verified=verified))
    await one.knows(customer)


async def settled(process: Process) -> None:
    """Nobody is left to be worked out."""

    async def left() -> int:
        database = world_of(process).database("users")
        async with database.transaction(ACROSS_SHOPS) as connection:
            statement = """
                SELECT count(*) FROM users u JOIN organization_shops o USING (merchant_id)
                WHERE u.kind = 'customer' AND u.link_as_of < o.version
            """
            return int((await connection.execute(text(statement))).scalar_one())

    await eventually(left, lambda found: found == 0)


async def version(one: Shop) -> int:
    """How often the shop has joined or left an organisation, as far as users knows."""
    async with world_of(one.process).database("users").transaction(ACROSS_SHOPS) as connection:
        statement = "SELECT max(version) FROM organization_shops WHERE merchant_id = :shop"
        return (await connection.execute(text(statement), {"shop": one.id})).scalar_one() or 0


async def joined(one: Shop) -> None:
    """Users knows which organisation the shop is in."""
    await eventually(lambda: version(one))
