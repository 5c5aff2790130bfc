"""Three stores of one organisation, on whatever store, and a person who is a member of each."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from contracts.caller import NoShop
from contracts.kit import Event
from contracts.organizations import MEMBER_LINKED, MEMBER_UNLINKED, MemberLinked, MemberUnlinked
from contracts.points import Balance, BalanceOf
from contracts.shop import member_id
from domain.points.ledger import EntryDraft, EntryKind
from domain.points.lot import FOREVER, Life
from ports.events import Received
from ports.ledger import HistoryEntry, NewEntry, WalletKey
from ports.tenancy import shops_at_hand, within
from ports.unit import Units
from services.points.account import Accounts
from services.points.pooling import Sharing, apply_links
from tests.services.counter import Counter
from tests.services.given import StandingClock


class Stores:
    """Three stores of one organisation, each with a member "c1", who are one person; ``link``
    tells so. ``own`` are transactions about the shops at hand, as services have them; the test
    itself sees all."""

    def __init__(self, units: Units[Any], own: Units[Any], clock: StandingClock) -> None:
        self.units = units
        self.clock = clock

        def either() -> Any:
            try:
                shops_at_hand()
            except NoShop:
                return units()
            return own()

        self.here, self.there, self.elsewhere = (Counter(either, clock, units) for _ in range(3))
        self.all = (self.here, self.there, self.elsewhere)
        self.pool, self.organization = uuid4(), uuid4()
        self.accounts = Accounts(own, Sharing(own, units))

    async def link(
        self, *counters: Counter, name: str = "c1", version: int = 1, **how: Any
    ) -> None:
        base = {"pool_id": self.pool, "organization_id": self.organization}
        await self.hear(
            *(
                received(
                    MEMBER_LINKED,
                    MemberLinked(
                        customer_id=member_id(each.merchant, name), version=version,
                        occurred_at=self.clock.now(), **base | how,
                    ),
                    each.merchant,
                )
                for each in counters or self.all
            )
        )  # fmt: skip

    async def unlink(self, counter: Counter, name: str = "c1", version: int = 2) -> None:
        body = MemberUnlinked(
            customer_id=member_id(counter.merchant, name), pool_id=self.pool, version=version,
            occurred_at=self.clock.now(),
        )  # fmt: skip
        await self.hear(received(MEMBER_UNLINKED, body, counter.merchant))

    async def hear(self, *events: Received[Any]) -> None:
        async with self.units() as unit:
            await apply_links(unit, events)

    async def balance(self, counter: Counter, name: str = "c1") -> Balance:
        asked = BalanceOf(customer_id=member_id(counter.merchant, name))
        with within([counter.merchant]):
            return await self.accounts.balance(counter.staff, asked)

    async def spendable(self) -> list[int]:
        return [(await each.wallet()).spendable for each in self.all]

    async def gain(
        self, counter: Counter, points: int, expires_at: datetime | None = None, **changes: Any
    ) -> UUID:
        """A lot with its own end; its id."""
        life = Life(expires_at) if expires_at else FOREVER
        base: dict[str, Any] = {
            "kind": EntryKind.ADJUST, "points": points, "reason": "test", "source": "adjust",
            "source_ref": str(uuid4()), "rule": "",
        }  # fmt: skip
        key = WalletKey(counter.merchant, counter.member)
        async with self.units() as unit:
            entry_id: UUID = unit.new_id()
            draft = EntryDraft(**base | changes)
            new = NewEntry(entry_id, key, draft, unit.now(), life=life, look_at=expires_at)
            await unit.stores.post([new])
        return entry_id

    async def lots(self, counter: Counter) -> list[tuple[UUID, int, datetime | None]]:
        async with self.units() as unit:
            key = WalletKey(counter.merchant, counter.member)
            found = await unit.stores.lots(key, None, 100)
        return [(lot.lot_id, points, lot.life.expires_at) for lot, points in found]

    async def entries(self, counter: Counter) -> list[HistoryEntry]:
        """The newest first."""
        async with self.units() as unit:
            key = WalletKey(counter.merchant, counter.member)
            return list(await unit.stores.history(key, None, 100))


def received(event: Event[Any], body: Any, merchant: UUID) -> Received[Any]:
    return Received(str(uuid4()), event, body, merchant, body.occurred_at)
