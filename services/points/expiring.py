"""The expiry run: taking points whose time has come, and warning of those whose time comes soon.

A wallet is looked at, its expired lots are emptied, what is to be said is said, and the next look
is set, all in one transaction that holds the wallet. So a run may be killed, repeated, or run
twice at once.
"""

from typing import Final

from contracts.expiry import EXPIRING, ExpiringSoon, PointsExpiring
from domain.points.expiry import NO_EXPIRY, due
from domain.points.lots import expiry_entry
from ports.ledger import Ledger, NewEntry
from ports.unit import Units
from services.points.posting import post

_AT_ONCE: Final = 100
"""Wallets in one transaction, each with all its lots."""


async def expire_points(units: Units[Ledger]) -> None:
    """Look at every wallet that is due."""
    while True:
        async with units() as unit:
            now = unit.now()
            wallets = await unit.stores.take_ageing(now, _AT_ONCE)
            if not wallets:
                return
            programs = await unit.stores.programs({each.key.merchant_id for each in wallets})
            entries: list[NewEntry] = []
            looks = {}
            for each in wallets:
                program = programs.get(each.key.merchant_id)
                expiry, zone = (
                    (NO_EXPIRY, "UTC") if program is None else (program.expiry, program.time_zone)
                )
                found = due(each.lots, each.active_at, each.looked_at, now, expiry, zone)
                looks[each.key] = found.look_at
                entries += (
                    NewEntry(unit.new_id(), each.key, expiry_entry(share, each.version), now)
                    for share in found.expired
                )
                if found.warnings:
                    soon = tuple(
                        ExpiringSoon(
                            expires_at=warning.expires_at,
                            points=warning.points,
                            last_chance=warning.last_chance,
                        )
                        for warning in found.warnings
                    )
                    body = PointsExpiring(
                        customer_id=each.key.customer_id, soon=soon, occurred_at=now
                    )
                    unit.emit(EXPIRING, body, each.key.merchant_id)
            await post(unit, entries)
            await unit.stores.look_again(now, looks)
        if len(wallets) < _AT_ONCE:
            return
