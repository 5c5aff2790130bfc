"""A shop's program: the defaults it starts with, reading it, and saving a new version of it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from contracts.auth import MerchantCreated
from contracts.caller import Caller
from contracts.core import (
    SETTINGS_UPDATED,
    GetSettings,
    Settings,
    SettingsConflict,
    SettingsUpdated,
    UpdateSettings,
)
from contracts.installs import ShopConnected
from domain.errors import InvalidRequest, NotFound, Problem
from domain.program import ProgramSettings, defaults, validate
from domain.tiers import TierMetric
from ports.events import Received
from ports.settings import Saved, SettingsHistory
from ports.unit import Unit, Units

_OURSELVES: Final = "service:core"


class SettingsDesk:
    def __init__(self, units: Units[SettingsHistory]) -> None:
        self._units = units

    async def get(self, caller: Caller, request: GetSettings) -> Settings:
        if request.version < 0:
            raise InvalidRequest(problems=[Problem("/version", "must not be negative")])
        async with self._units() as unit:
            saved = await unit.stores.version(caller.tenant, request.version)
        if saved is None:
            raise NotFound("This shop has no such version of its settings.")
        return _answer(saved)


async def update(unit: Unit[SettingsHistory], caller: Caller, request: UpdateSettings) -> Settings:
    """Save a new version, made from the one in force. A repeat of the last save changes nothing."""
    tenant = caller.tenant
    current = await unit.stores.version(tenant)
    if current is None:
        raise NotFound("This shop has no settings yet.")
    wanted, in_force = request.settings, current.settings
    problems = validate(wanted) + _untouchable(wanted, in_force)
    if problems:
        raise InvalidRequest(problems=problems)
    same = replace(wanted, version=in_force.version) == in_force
    if same and in_force.version - wanted.version in (0, 1):
        return _answer(current)
    if wanted.version != in_force.version:
        raise SettingsConflict
    saved = Saved(replace(wanted, version=wanted.version + 1), unit.now(), caller.name)
    if not await unit.stores.save(tenant, saved):
        raise SettingsConflict
    unit.emit(SETTINGS_UPDATED, SettingsUpdated(settings=saved.settings), tenant)
    return _answer(saved)


async def begin(unit: Unit[SettingsHistory], events: Sequence[Received[Any]]) -> None:
    """Give new shops the default program, in their currency and time zone. What was bought before a
    shop got the app, this time, earns nothing; until somebody says otherwise."""
    await _begin(unit, events)
    for event in sorted(events, key=lambda each: each.merchant_id):
        # That there is such a shop was said before, in the same stream.
        if not isinstance(event.body, ShopConnected):
            continue
        current = await unit.stores.version(event.merchant_id)
        if current is None:
            continue
        # Shopify tells when orders were placed in whole seconds: the first may be of this one.
        in_force, came_at = current.settings, event.body.connected_at.replace(microsecond=0)
        if in_force.beginning is not None and in_force.beginning >= came_at:
            continue
        program = replace(in_force, version=in_force.version + 1, earns_from=came_at.isoformat())
        if not await unit.stores.save(event.merchant_id, Saved(program, unit.now(), _OURSELVES)):
            raise SettingsConflict  # so that it comes again
        said = SettingsUpdated(settings=program)
        unit.emit(SETTINGS_UPDATED, said, event.merchant_id, cause=event)


async def _begin(unit: Unit[SettingsHistory], events: Sequence[Received[Any]]) -> None:
    first: dict[Any, tuple[ProgramSettings, Received[Any]]] = {}
    for event in events:
        match event.body:
            case MerchantCreated(currency=currency, time_zone=time_zone):
                program = replace(defaults(currency), time_zone=time_zone)
                first.setdefault(event.merchant_id, (program, event))
    programs = {merchant: program for merchant, (program, _) in first.items()}
    for merchant in sorted(await unit.stores.begin(programs, unit.now(), _OURSELVES)):
        program, event = first[merchant]
        unit.emit(SETTINGS_UPDATED, SettingsUpdated(settings=program), merchant, cause=event)


def _untouchable(wanted: ProgramSettings, current: ProgramSettings) -> list[Problem]:
    """What a shop cannot change by saving its settings."""
    problems = []
    if wanted.plan != current.plan:
        problems.append(Problem("/plan", "is changed by subscribing to another plan"))
    if wanted.currency != current.currency:
        problems.append(Problem("/currency", "is the shop's own and comes from Shopify"))
    if wanted.tiers.metric is TierMetric.POINTS:
        problems.append(Problem("/tiers/metric", "must be spend or orders"))
    return problems


def _answer(saved: Saved) -> Settings:
    return Settings(settings=saved.settings, updated_at=saved.at, updated_by=saved.by)
