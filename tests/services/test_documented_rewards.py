"""Every example of docs/rewards.md, run."""

import re
from pathlib import Path
from typing import Any

import pytest

from adapters.memory.rewards import MemoryRedeeming
from adapters.memory.units import MemoryUnits
from adapters.system import UuidV7
from domain.points.benefits import (
    AmountOff,
    Benefit,
    FreeProduct,
    FreeShipping,
    GiftCard,
    PercentOff,
    StoreCredit,
)
from domain.points.redemption import RedemptionState
from domain.points.rewards import WhyNot, refusal
from tests.services.counter import Counter
from tests.services.given import StandingClock

PAGE = (Path(__file__).parents[2] / "docs" / "rewards.md").read_text(encoding="utf-8")


def tables(first: str) -> list[list[list[str]]]:
    """The rows of every table whose first column is called so."""
    found: list[list[list[str]]] = []
    inside = False
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            inside = False
        elif cells[0] == first:
            inside = True
            found.append([])
        elif inside and not line.startswith("|---"):
            found[-1].append(cells)
    return found


def new_counter() -> Counter:
    clock = StandingClock()
    units: MemoryUnits[Any] = MemoryUnits(MemoryRedeeming, clock, UuidV7())
    return Counter(units, clock)


def described(benefit: Benefit) -> str:
    match benefit:
        case AmountOff(amount=amount):
            return f"a code for {amount} off"
        case PercentOff(percent=percent):
            return f"a code for {percent} % off"
        case FreeShipping():
            return "a code for free shipping"
        case FreeProduct(product_id=product_id):
            return f"a code that makes product {product_id} free"
        case StoreCredit(amount=amount):
            return f"{amount} of store credit"
        case GiftCard(amount=amount):
            return f"a gift card over {amount}"


@pytest.mark.parametrize(("terms", "paid", "gets"), tables("kind")[0])
async def test_a_reward(terms: str, paid: str, gets: str) -> None:
    counter = new_counter()
    await counter.give(5_000)
    kind, *fields = terms.split(", ")
    given: dict[str, Any] = {"cost": 0, "amount": "0"}
    given |= dict(field.split(" ") for field in fields)
    reward = await counter.offer(kind=kind, **given)
    bought = await counter.redeem(reward, int(paid) if kind == "incremental" else None)
    assert bought.points == int(paid)
    (issued,) = counter.shopify.issued.values()
    assert described(issued.benefit) == gets


@pytest.mark.parametrize("story", tables("what happens"))
async def test_a_story(story: list[list[str]]) -> None:
    counter = new_counter()
    bought: Any = None
    for number, (what, balance) in enumerate(story):
        match re.split(r"[ ,]+", what):
            case [points, "points"]:
                await counter.give(int(points))
            case ["redeem", cost, "for", amount, "off", *policy]:
                reward = await counter.offer(
                    cost=cost, amount=amount, returns_on_expiry=policy[:1] == ["back"]
                )
                bought = await counter.redeem(reward)
            case ["order", amount, "with", "the", "code"]:
                order = counter.order(subtotal=amount, discount_codes=[bought.code])
                await counter.happen(order)
            case ["refund", amount]:
                await counter.happen(counter.refund(f"r{number}", amount))
            case ["cancel", "the", "order"]:
                at = counter.clock.now()
                await counter.happen(counter.order(cancelled_at=at))
            case ["cancel", "it"]:
                await counter.cancel(bought)
            case [days, "days", "pass"]:
                await counter.later(days=int(days))
                await counter.later(minutes=1)
            case _:
                raise AssertionError(f"the page says {what!r}, which is not understood here")
        assert (await counter.wallet()).spendable == int(balance), what


def test_every_state_and_every_reason_is_told() -> None:
    states = {row[0].strip("`") for row in tables("state")[0]}
    assert states == set(RedemptionState)
    codes = {row[0].strip("`") for row in tables("code")[0]}
    assert {refusal(reason).code for reason in WhyNot} <= codes
