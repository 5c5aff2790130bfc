"""Members who spend points while everything dies, at a Shopify that loses answers: redeem, buy with
the code, send it all back, give codes back; and what must have come of each of it.

They go by HTTP like anybody, and try the same again with the same key until they are answered, as
a storefront does. Shopify is in this process, so that what it has can be looked at.
"""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from types import TracebackType
from typing import Final, Self
from uuid import uuid4

import asyncpg
import httpx

from adapters.http.install import CALLBACK
from adapters.postgres.tenancy import ACROSS_ROLE
from adapters.shopify.admin.circuits import MOST_SECONDS
from contracts.auth import ISSUE_DEVELOPMENT_TOKEN, IssueDevelopmentToken
from contracts.caller import service_caller
from domain.errors import DeadlineExceeded, NotFound, Unavailable
from domain.points.redemption import RedemptionState
from domain.scopes import REQUIRED_SCOPES
from infra.demo_shop.admin.api.checkout import CodeRefused, place_order
from infra.demo_shop.admin.api.shop import Payload, Shop
from infra.demo_shop.admin.api.trouble import Fault, Instead, Lost, Slow, Unheard
from infra.demo_shop.admin.credentials import App
from infra.demo_shop.admin.server import Admin
from infra.demo_shop.delivery import SHOP_DOMAIN, Delivery
from infra.demo_shop.install import install
from infra.demo_shop.oracle import accepted_orders, expected_members
from infra.demo_shop.request import Target, prepared
from infra.demo_shop.sender import Sender
from infra.demo_shop.wire import encode, iso
from infra.embedded.demo_admin import BASE_SETTING, api_base
from infra.embedded.ports import free_port
from tests.rig.load import Expected, Member
from tests.rig.stack import Stack

COST: Final = 150
_MUG: Final = 632910392
_FIRST_MEMBER: Final = 115310627314723954
_MEMBERS: Final = 8
_PATIENCE: Final = 300.0
_ANSWER_WITHIN: Final = 10.0
_SETTLED_WITHIN: Final = 2 * MOST_SECONDS
"""Longer than points leaves a Shopify alone that did not answer."""
_S = RedemptionState
_UNDER_WAY: Final = (_S.RESERVED, _S.ISSUING, _S.WITHDRAWING)
_LATER: Final = (404, 429)
_FAULTS: Final = (Lost(), Unheard(), Slow(4.0), Instead(503))


@dataclass(slots=True)
class Bought:
    """A redemption as its member knows it, and how it has to end."""

    member: int
    redemption_id: str
    code: str = ""
    ends: RedemptionState = _S.COMPLETED


@dataclass(slots=True)
class Spent:
    """What the members did, as far as they were told."""

    bought: dict[str, Bought] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    accepted: list[Delivery] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    retries: int = 0

    def __str__(self) -> str:
        ends = Counter(each.ends for each in self.bought.values())
        return (
            f"{len(self.bought)} redemptions ({', '.join(f'{n} {s}' for s, n in ends.items())}), "
            f"asked again {self.retries} times, refused: {dict(self.refused)}"
        )


class Spenders:
    """``async with Spenders(stack, port) as spenders``; the stack has ``settings_of(port)``."""

    def __init__(self, stack: Stack, port: int, seed: int = 1) -> None:
        self._stack = stack
        app = App(
            stack.environment()["LOYALNEST_SHOPIFY_CLIENT_ID"],
            stack.secret,
            tuple(sorted(REQUIRED_SCOPES)),
        )
        self.admin = Admin(app, port, callbacks=[f"http://127.0.0.1:{stack.http_port}{CALLBACK}"])
        self.spent = Spent()
        self._target = Target(stack.http_port, stack.secret)
        self._http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{stack.http_port}", timeout=_ANSWER_WITHIN
        )
        self._random = Random(seed)
        self._enough = False
        self._reward = ""

    @property
    def there(self) -> Shop:
        """The shop at Shopify."""
        return self.admin.shops[SHOP_DOMAIN]

    async def __aenter__(self) -> Self:
        await self.admin.start()
        try:
            await install(self._stack.http_port)
            await self._open()
        except BaseException:
            await self.admin.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()
        await self.admin.stop()

    async def _open(self) -> None:
        at = iso(datetime.now(UTC))
        variants = [{"id": 1, "price": "20.00"}]
        mug = {"id": _MUG, "title": "Mug", "created_at": at, "updated_at": at, "variants": variants}
        self.there.hear("products/create", mug)
        terms = {
            "name": "5 off", "kind": "discount", "cost": COST, "amount": "5",
            "member_may_cancel": True,
        }  # fmt: skip
        made = await self._ask("POST", "/v1/api/rewards", await self._token("owner"), terms)
        self._reward = made.json()["reward_id"]

    def enough(self) -> None:
        """Finish what is under way and begin nothing new."""
        self._enough = True

    async def spend(self) -> None:
        """Until ``enough``."""
        self.admin.trouble.now_and_then(self._fault, field="discountCodeBasicCreate")
        async with asyncio.TaskGroup() as group:
            for number in range(_MEMBERS):
                group.create_task(self._live(_FIRST_MEMBER + number))

    def _fault(self) -> Fault | None:
        return self._random.choice(_FAULTS) if self._random.random() < 0.3 else None

    async def _live(self, member: int) -> None:
        await self._tell("customers/create", self.there.add_customer(member))
        token = await self._token("customer", str(member))
        tasks = [asyncio.create_task(self._shop_around(member, token)) for _ in range(2)]
        await asyncio.gather(*tasks)

    async def _shop_around(self, member: int, token: str) -> None:
        while not self._enough:
            quantity = self._random.randint(2, 6)
            order = place_order(self.there, [(_MUG, quantity)], customer=member)
            selling = asyncio.create_task(self._tell("orders/create", order))
            bought = await self._redeem(member, token)
            await selling
            if bought is not None:
                await self._go_on(bought, token)
            await asyncio.sleep(0.2 + 0.3 * self._random.random())

    async def _redeem(self, member: int, token: str) -> Bought | None:
        """One key until there is an answer; sometimes two ask with it at once."""
        key = str(uuid4())
        asking = [self._try_to_redeem(token, key) for _ in range(self._random.choice((1, 1, 2)))]
        answers = await asyncio.gather(*asking)
        told = {each["redemption_id"]: each for each in answers if each is not None}
        if len(told) > 1:
            self.spent.doubled.append(f"one key made {sorted(told)}")
        for redemption_id, answer in told.items():
            bought = Bought(member, redemption_id, answer["code"])
            self.spent.bought[redemption_id] = bought
            return bought
        return None

    async def _try_to_redeem(self, token: str, key: str) -> Payload | None:
        answer = await self._ask("POST", "/api/redeem", token, {"reward_id": self._reward}, key)
        if answer.status_code == 200:
            found: Payload = answer.json()
            return found
        self.spent.refused[answer.json()["code"]] += 1
        return None

    async def _go_on(self, bought: Bought, token: str) -> None:
        """Keep it, use it, use it and return all, give it back; or use and give back at once, where
        Shopify decides."""
        what = self._random.choice(("keep", "use", "return", "cancel", "both"))
        if what == "keep" or not bought.code:
            return
        if what in ("use", "return"):
            await self._use(bought, returning=what == "return")
        elif what == "cancel":
            await self._cancel(bought, token)
        else:
            await asyncio.gather(self._cancel(bought, token), self._use(bought, returning=False))

    async def _use(self, bought: Bought, *, returning: bool) -> None:
        await asyncio.sleep(0.02 * self._random.random())
        try:
            order = place_order(self.there, [(_MUG, 1)], customer=bought.member, code=bought.code)
        except CodeRefused:
            return  # it was given back at the same time
        bought.ends = _S.RETURNED if returning else _S.USED
        told = [self._tell("orders/create", order)]
        if returning:
            told.append(self._tell("refunds/create", self._refund_of(order)))
        # Either may come first.
        await asyncio.gather(*told)

    def _refund_of(self, order: Payload) -> Payload:
        lines = []
        for line in order["line_items"]:
            off = float(line["discount_allocations"][0]["amount"])
            amount = f"{float(line['price']) * line['quantity'] - off:.2f}"
            both = {"shop_money": {"amount": amount, "currency_code": order["currency"]}}
            lines.append(
                {
                    "id": self.there.numbers.next(), "line_item_id": line["id"],
                    "quantity": line["quantity"], "subtotal": amount, "subtotal_set": both,
                    "line_item": line,
                }
            )  # fmt: skip
        at = iso(datetime.now(UTC))
        refund = {
            "id": self.there.numbers.next(), "order_id": order["id"], "created_at": at,
            "processed_at": at, "refund_line_items": lines, "transactions": [],
            "order_adjustments": [],
        }  # fmt: skip
        self.there.hear("refunds/create", refund)
        return refund

    async def _cancel(self, bought: Bought, token: str) -> None:
        path = f"/v1/api/redemptions/{bought.redemption_id}/cancel"
        answer = await self._ask("POST", path, token, {}, str(uuid4()))
        if answer.status_code == 200:
            if bought.ends is _S.COMPLETED:
                bought.ends = _S.CANCELLED
        else:
            self.spent.refused[answer.json()["code"]] += 1

    async def _tell(self, topic: str, said: Payload) -> None:
        """Shopify tells of it until it is heard."""
        event = str(uuid4())
        delivery = Delivery(topic, str(uuid4()), event, datetime.now(UTC), encode(said))
        sender = Sender(self._target, connections=1, patience=_PATIENCE)
        report = await sender.send([prepared(delivery, self._target)])
        self.spent.accepted += report.accepted
        self.spent.retries += report.retries
        if report.given_up or report.refused:
            self.spent.given_up.append(f"{topic}: {dict(report.refused)}")

    async def _ask(
        self, method: str, path: str, token: str, body: Payload | None = None, key: str = ""
    ) -> httpx.Response:
        """Until somebody answers who is not about to die."""
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key or str(uuid4())}
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                answer = await self._http.request(method, path, headers=headers, json=body)
            except httpx.HTTPError:
                answer = None
            # A member is known once the webhook of the account has come through.
            if answer is not None and answer.status_code < 500 and answer.status_code not in _LATER:
                return answer
            if time.monotonic() > until:
                raise AssertionError(f"{method} {path} was not answered: {answer}")
            self.spent.retries += 1
            await asyncio.sleep(0.2)

    async def _token(self, role: str, customer: str = "") -> str:
        request = IssueDevelopmentToken(
            shop_domain=SHOP_DOMAIN, role=role, shopify_customer_id=customer
        )
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                made = await self._stack.mesh.call(
                    ISSUE_DEVELOPMENT_TOKEN, request, service_caller("rig")
                )
            except (Unavailable, DeadlineExceeded, NotFound):
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.2)
            else:
                return made.token

    async def until_settled(self) -> None:
        """Everything that was begun has come to an end. What is due later is due now: whoever was
        killed while asking Shopify left a lease of a minute, and nobody waits for that here.

        Raises AssertionError.
        """
        self.admin.trouble.none()
        until = time.monotonic() + _SETTLED_WITHIN
        connection = await self._database()
        try:
            while await connection.fetchval(_ANYTHING_DUE):
                assert time.monotonic() < until, await connection.fetch(_WHAT_IS_DUE)
                await connection.execute(_DUE_NOW)
                await asyncio.sleep(0.5)
        finally:
            await connection.close()

    async def faults(self) -> list[str]:
        """What is not as the members know that it has to be, here or at Shopify."""
        connection = await self._database()
        try:
            rows = await connection.fetch(
                "SELECT redemption_id::text AS id, customer_id, state FROM reward_redemptions"
            )
        finally:
            await connection.close()
        found = {row["id"]: RedemptionState(row["state"]) for row in rows}
        wrong = [*self.spent.doubled, *self.spent.given_up]
        wrong += [
            f"redemption {extra} is nobody's who asked for it"
            for extra in found.keys() - self.spent.bought.keys()
        ]
        for redemption_id, bought in self.spent.bought.items():
            state = found.get(redemption_id)
            if state is not bought.ends:
                wrong.append(f"redemption {redemption_id} is {state}, not {bought.ends}")
        return wrong + self._faults_there(found)

    def _faults_there(self, found: dict[str, RedemptionState]) -> list[str]:
        there, now = self.there, self.there.now()
        wrong = []
        alive = [each for each in there.discounts.values() if each.status(now) == "ACTIVE"]
        states = Counter(found.values())
        fresh = sum(not each.uses for each in alive)
        if fresh != states[_S.COMPLETED]:
            wrong.append(f"{fresh} codes can be used at Shopify, not {states[_S.COMPLETED]}")
        if any(len(each.uses) > 1 for each in there.discounts.values()):
            wrong.append("a code was used twice at Shopify")
        codes = Counter(each.code.casefold() for each in there.discounts.values())
        for redemption_id, bought in self.spent.bought.items():
            made = codes[bought.code.casefold()] if bought.code else 1
            if made > 1 or (made == 0 and bought.ends in (_S.COMPLETED, _S.USED)):
                wrong.append(f"Shopify has {made} codes of redemption {redemption_id}")
        return wrong

    @property
    def paid(self) -> Counter[str]:
        """Points that stay spent, by Shopify's id of the member."""
        paid: Counter[str] = Counter()
        for bought in self.spent.bought.values():
            if bought.ends in (_S.COMPLETED, _S.USED):
                paid[str(bought.member)] += COST
        return paid

    async def _database(self) -> asyncpg.Connection:
        return await asyncpg.connect(
            self._stack.environment()["LOYALNEST_POSTGRES_URL"],
            database="loyalnest_points",
            server_settings={"role": ACROSS_ROLE},
        )


_DUE: Final = "due_at IS NOT NULL AND state <> 'completed'"
_ANYTHING_DUE: Final = f"SELECT count(*) FROM reward_redemptions WHERE {_DUE}"
_WHAT_IS_DUE: Final = f"SELECT state, tries, due_at FROM reward_redemptions WHERE {_DUE}"
_DUE_NOW: Final = f"UPDATE reward_redemptions SET due_at = now() WHERE {_DUE} AND due_at > now()"


def settings_of(port: int) -> dict[str, str]:
    """What a stack needs to find Shopify there."""
    return {BASE_SETTING: api_base(port)}


def shopify_port() -> int:
    return free_port(set())


def with_spenders(expected: Expected, spenders: Spenders) -> Expected:
    """What must be known of the load's members and of these."""
    accepted = spenders.spent.accepted
    mine, paid = expected_members(accepted), spenders.paid
    members = {
        customer: Member(points=each.points - paid[customer], orders=each.orders, spent=each.spent)
        for customer, each in mine.items()
    }
    orders = accepted_orders(accepted)
    return Expected(
        members={**expected.members, **members},
        orders=[*expected.orders, *orders],
        usage=expected.usage + len(orders),
    )
