"""What PostgreSQL adds up batch by batch is what the pure function says of everything at once."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import msgspec

from adapters.postgres.database import Database
from adapters.postgres.purchases import PostgresBuyers
from adapters.postgres.tenancy import ACROSS_SHOPS
from adapters.runtime.settings import Settings
from contracts import shop
from contracts.kit import Body, Event
from contracts.shop import Refund, member_id
from domain.points.orders import RefundFacts
from domain.rfm.profile import NOBODY, Profile, profile_of
from ports.events import Received
from ports.purchases import PURCHASES, MemberKey, MoneyBack, Purchase, hear
from tests.mesh.said import AT, order


@asynccontextmanager
async def purchases_database(environment: dict[str, str]) -> AsyncIterator[Database]:
    database = Database(Settings.from_environment(environment).postgres_url, "rfm")
    await database.make()
    await database.migrate()
    try:
        yield database
    finally:
        await database.close()


def received(event: Event[Body], body: Body, merchant: UUID) -> Received[Body]:
    """As rfm is given it: what it reads of the body."""
    view = msgspec.convert(body, PURCHASES[event.body], from_attributes=True)
    return Received(id=str(uuid4()), event=event, body=view, merchant_id=merchant, at=AT)


def events_of(merchant: UUID, chance: random.Random) -> list[Received[Body]]:
    """A year of three members: snapshots that differ, refunds alone and within orders, guests,
    tests, cancellations, orders that change hands; all of it shuffled and some of it repeated."""
    events: list[Received[Body]] = []
    for number in range(12):
        name = f"o{number}"
        refunds = tuple(
            Refund(
                refund_id=f"{name}r{each}",
                order_id=name,
                created_at=AT,
                merchandise=Decimal(chance.choice(("0", "5.50", "60"))),
            )
            for each in range(chance.randrange(3))
        )
        for snapshot in range(chance.randrange(1, 4)):
            made = order(merchant, chance.choice(("c1", "c1", "c2", "c3")), order_id=name)
            more = {
                "processed_at": AT + timedelta(days=number - chance.choice((0, 0, 0, 9))),
                "updated_at": AT + timedelta(minutes=snapshot // chance.choice((1, 9))),
                "subtotal": Decimal(chance.choice(("100", "20.25"))),
                "test": chance.random() < 0.1,
                "cancelled_at": AT if chance.random() < 0.2 else None,
                "refunds": refunds if chance.random() < 0.3 else (),
                "customer": None if chance.random() < 0.1 else made.customer,
            }
            told = msgspec.structs.replace(made, **more)
            events.append(received(shop.ORDER_UPDATED, told, merchant))
        events += [received(shop.REFUND_CREATED, each, merchant) for each in refunds]
    events += chance.sample(events, 5)
    chance.shuffle(events)
    return events


def expected(events: list[Received[Body]], member: UUID) -> Profile:
    heard = hear(events)
    facts = [each for each in heard.orders.values() if each.customer_id == member]
    refunds = [
        refund
        for event in events
        for refund in (event.body.refunds if isinstance(event.body, Purchase) else (event.body,))
        if isinstance(refund, MoneyBack)
    ]
    return profile_of(
        facts, [RefundFacts(r.refund_id, r.order_id, r.merchandise, AT) for r in refunds]
    )


async def test_profiles_are_those_of_the_pure_function_in_any_order(
    environment: dict[str, str],
) -> None:
    async with purchases_database(environment) as database:
        for seed in range(40):
            chance = random.Random(seed)
            merchant = uuid4()
            events = events_of(merchant, chance)
            grown: dict[MemberKey, Profile] = defaultdict(lambda: NOBODY)
            rest = list(events)

            async def apply(batch: list[Received[Body]], grown=grown) -> None:
                async with database.transaction(ACROSS_SHOPS) as connection:
                    for key, each in (await PostgresBuyers(connection).learn(hear(batch))).items():
                        assert each.before == grown[key]
                        assert each.cause in batch
                        grown[key] = each.after

            while rest:
                size = chance.randrange(1, 9)
                batch, rest = rest[:size], rest[size:]
                await apply(batch)
            for customer in ("c1", "c2", "c3"):
                key = MemberKey(merchant, member_id(merchant, customer))
                assert grown[key] == expected(events, key.customer_id), seed


async def test_batches_at_the_same_time_lose_nothing(environment: dict[str, str]) -> None:
    chance = random.Random(7)
    merchant = uuid4()
    events = [event for _ in range(10) for event in events_of(merchant, chance)]

    async def apply(part: list[Received[Body]]) -> None:
        for start in range(0, len(part), 7):
            async with database.transaction(ACROSS_SHOPS) as connection:
                await PostgresBuyers(connection).learn(hear(part[start : start + 7]))

    async with purchases_database(environment) as database:
        await asyncio.gather(*(apply(events[number::4]) for number in range(4)))
        async with database.transaction(ACROSS_SHOPS) as connection:
            keys = [MemberKey(merchant, member_id(merchant, each)) for each in ("c1", "c2", "c3")]
            found = await PostgresBuyers(connection).lock_buyers(keys)
        for key in keys:
            assert found[key].profile == expected(events, key.customer_id)
