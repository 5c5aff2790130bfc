"""Counting guesses before they are checked (``domain.admins.guessing``)."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.admins.guessing import NONE, Bucket, Failures, counted, excused, may_guess
from ports.admin_log_ins import AdminStores
from ports.unit import Unit


@dataclass(frozen=True, slots=True)
class Guess:
    """A guess at an account that falls into these buckets."""

    account: str
    buckets: Sequence[Bucket]

    async def count(self, unit: Unit[AdminStores]) -> bool:
        """Whether it may be looked at; if so, it has been counted as a failure."""
        held = await self._held(unit)
        now = unit.now()
        if not may_guess(held.items(), now):
            return False
        after = {bucket.name: counted(bucket, failures, now) for bucket, failures in held.items()}
        await unit.stores.log_ins.keep_failures(self.account, after)
        return True

    async def excuse(self, unit: Unit[AdminStores]) -> None:
        """It was right after all."""
        held = await self._held(unit)
        after = {bucket.name: excused(bucket, failures) for bucket, failures in held.items()}
        await unit.stores.log_ins.keep_failures(self.account, after)

    async def _held(self, unit: Unit[AdminStores]) -> dict[Bucket, Failures]:
        names = [bucket.name for bucket in self.buckets]
        found = await unit.stores.log_ins.failures(self.account, names)
        return {bucket: found.get(bucket.name, NONE) for bucket in self.buckets}
