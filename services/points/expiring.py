"""The expiry run: taking points whose time has come, and warning of those whose time comes soon.

A wallet is looked at, its expired lots are emptied, what is to be said is said, and the next look
is set, all in one transaction that holds the wallet. So a run may be killed, repeated, or run
twice at once.
"""

import logging
from datetime import datetime, timedelta
from typing import Final

from contracts.expiry import EXPIRING, ExpiringSoon, PointsExpiring
from domain.points.expiry import NO_EXPIRY, Soon, due
from domain.points.lots import add_up, expiry_entry
from domain.program import ProgramSettings
from ports.ledger import AgeingWallet, Ledger, NewEntry, WalletKey
from ports.unit import Unit, Units
from services.points.posting import post

log = logging.getLogger(__name__)

_AT_ONCE: Final = 100
"""Wallets in one transaction, each with all its lots."""
_LATER: Final = timedelta(days=1)


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
            looks: dict[WalletKey, datetime | None] = {}
            for each in wallets:
                program = programs.get(each.key.merchant_id)
                looks[each.key] = _look(unit, each, program, now, entries)
            await post(unit, entries)
            await unit.stores.look_again(now, looks)
        if len(wallets) < _AT_ONCE:
            return


def _look(
    unit: Unit[Ledger],
    held: AgeingWallet,
    program: ProgramSettings | None,
    now: datetime,
    entries: list[NewEntry],
) -> datetime | None:
    """Say what is to be said of a wallet, add to ``entries`` what is due; when to look again."""
    if not add_up(held.lots, held.wallet.spendable):
        # Taking from these would go on at every look. Verifying says what is wrong with them.
        log.error("the lots of wallet %s do not add up to it", held.key.customer_id)
        return now + _LATER
    expiry, zone = (NO_EXPIRY, "UTC") if program is None else (program.expiry, program.time_zone)
    found = due(held.lots, held.active_at, held.looked_at, now, expiry, zone)
    entries += (
        NewEntry(unit.new_id(), held.key, expiry_entry(share, held.version), now)
        for share in found.expired
    )
    if found.warnings:
        body = PointsExpiring(
            customer_id=held.key.customer_id,
            soon=tuple(map(_said, found.warnings)),
            occurred_at=now,
        )
        unit.emit(EXPIRING, body, held.key.merchant_id)
    return found.look_at


def _said(warning: Soon) -> ExpiringSoon:
    return ExpiringSoon(
        expires_at=warning.expires_at, points=warning.points, last_chance=warning.last_chance
    )
