"""Comparing what the mesh says with what must have come of what it accepted."""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final
from uuid import UUID

import asyncpg

from adapters.postgres.chain import AS_OF_NOW, PostgresChainReader
from adapters.postgres.database import Database
from adapters.postgres.tenancy import ACROSS_ROLE
from contracts import core, points
from contracts.caller import service_caller
from contracts.shop import member_id
from domain.errors import Unavailable
from services.points.chaining import verify
from tests.rig.load import Expected
from tests.rig.stack import Stack

_AT_ONCE: Final = 250
_SHOWN: Final = 5


@dataclass(slots=True)
class Verdict:
    """``lost`` and ``doubled`` count orders in the ledger and in profiles; ``wrong`` are sentences
    about members whose numbers differ anywhere."""

    members: int = 0
    orders: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: list[str] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        return not (self.lost or self.doubled or self.wrong)

    def __str__(self) -> str:
        text = (
            f"{self.members} members and {self.orders} orders compared "
            f"({', '.join(self.checked)}): {self.lost} lost, {self.doubled} doubled, "
            f"{len(self.wrong)} numbers wrong"
        )
        return "\n  ".join([text, *self.wrong[:_SHOWN]])


async def compare(stack: Stack, expected: Expected) -> Verdict:
    """Every wallet, every order of the ledger and every profile, for services that run."""
    verdict = Verdict(members=len(expected.members), orders=len(expected.orders))
    running = {name for worker in stack.workers.values() for name in worker.services}
    if "points" in running:
        await _wallets(stack, expected, verdict)
        await _ledger(stack, expected, verdict)
        await _chain(stack, verdict)
    if {"rfm", "core"} <= running:
        await _profiles(stack, expected, verdict, tiers="campaign" in running)
    if "core" in running:
        await _usage(stack, expected, verdict)
    return verdict


async def _wallets(stack: Stack, expected: Expected, verdict: Verdict) -> None:
    caller = service_caller("rig", stack.merchant_id)
    members = {
        member_id(stack.merchant_id, shopify_id): member.points
        for shopify_id, member in expected.members.items()
    }
    due_of = list(members.items())
    for start in range(0, len(due_of), _AT_ONCE):
        some = due_of[start : start + _AT_ONCE]
        request = points.BalancesOf(customer_ids=tuple(member for member, _ in some))
        answer = await stack.mesh.call(points.GET_BALANCES, request, caller)
        found = {each.customer_id: each.spendable for each in answer.balances}
        for member, due in some:
            if found.get(member, 0) != due:
                verdict.wrong.append(f"{member} has {found.get(member, 0)} points, not {due}")
    verdict.checked.append("wallets")


async def _ledger(stack: Stack, expected: Expected, verdict: Verdict) -> None:
    """Reads the tables: no operation lists a whole shop's entries."""
    connection = await asyncpg.connect(
        stack.environment()["LOYALNEST_POSTGRES_URL"],
        database="loyalnest_points",
        server_settings={"role": ACROSS_ROLE},
    )
    try:
        known = {
            row["order_id"]
            for row in await connection.fetch(
                "SELECT order_id FROM orders WHERE merchant_id = $1", stack.merchant_id
            )
        }
        earned = Counter(
            row["order_id"]
            for row in await connection.fetch(
                "SELECT order_id FROM points_transactions"
                " WHERE merchant_id = $1 AND source = 'order'",
                stack.merchant_id,
            )
        )
    finally:
        await connection.close()
    verdict.lost += len(set(expected.orders) - known)
    verdict.doubled += sum(times > 1 for times in earned.values())
    verdict.checked.append("ledger")


async def _chain(stack: Stack, verdict: Verdict) -> None:
    """What `loyalnest ledger verify` says."""
    url = stack.environment()["LOYALNEST_POSTGRES_URL"]
    database = Database(url, "points", pool=1, patience=3600)
    try:
        async with database.transaction(AS_OF_NOW) as connection:
            proof = await verify(PostgresChainReader(connection), stack.merchant_id)
    finally:
        await database.close()
    if proof.first is not None:
        verdict.wrong.append(f"{proof.faults} things in the ledger do not agree: {proof.first}")
    verdict.checked.append("chain")


async def _usage(stack: Stack, expected: Expected, verdict: Verdict) -> None:
    caller = service_caller("rig", stack.merchant_id)
    counted = (await stack.mesh.call(core.GET_USAGE, core.GetUsage(), caller)).orders
    verdict.lost += max(expected.usage - counted, 0)
    verdict.doubled += max(counted - expected.usage, 0)
    if counted != expected.usage:
        verdict.wrong.append(f"{counted} orders count for the plan, not {expected.usage}")
    verdict.checked.append("usage")


async def _profiles(stack: Stack, expected: Expected, verdict: Verdict, *, tiers: bool) -> None:
    found = await _members(stack)
    for shopify_id, due in expected.members.items():
        member = member_id(stack.merchant_id, shopify_id)
        known = found.get(member)
        said = (known.orders, known.spent) if known else (0, Decimal(0))
        verdict.lost += max(due.orders - said[0], 0)
        verdict.doubled += max(said[0] - due.orders, 0)
        if said != (due.orders, due.spent):
            verdict.wrong.append(
                f"{member} has {said[0]} orders for {said[1]}, not {due.orders} for {due.spent}"
            )
        if tiers and known is not None and known.tier != _tier(due.spent):
            verdict.wrong.append(f"{member} is {known.tier!r}, not {_tier(due.spent)!r}")
    verdict.checked.append("profiles with tiers" if tiers else "profiles")


async def _members(stack: Stack) -> dict[UUID, core.Member]:
    caller = service_caller("rig", stack.merchant_id)
    found: dict[UUID, core.Member] = {}
    cursor = None
    while True:
        request = core.ListMembers(cursor=cursor, limit=_AT_ONCE)
        try:
            page = await stack.mesh.call(core.LIST_MEMBERS, request, caller)
        except Unavailable:
            page = await stack.mesh.call(core.LIST_MEMBERS, request, caller)
        found |= {member.customer_id: member for member in page.members}
        cursor = page.next_cursor
        if cursor is None:
            return found


def _tier(spent: Decimal) -> str:
    """The default ladder, restated."""
    return "Gold" if spent >= 500 else "Silver" if spent >= 100 else ""
