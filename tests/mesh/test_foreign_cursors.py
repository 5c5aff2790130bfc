"""A cursor leads to nobody else's rows: neither one of another shop, nor one of another list.

Made from the registry, with the rows of ``test_paging``: a list that is new is attacked as well.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from adapters.runtime.host import Process
from contracts.paging import MOST
from domain.errors import InvalidRequest, NotFound
from services import SERVICES
from tests.conftest import Run, eventually
from tests.mesh.said import register
from tests.mesh.test_paging import PAGED, SEEDS, Reading, Told, of_ours
from tests.mesh.two_shops import admin

ROWS: Final = 3
OF_OURS: Final = frozenset(name for name, seed in SEEDS.items() if seed.caller is of_ours)
"""Lists of LoyalNest's own staff: they belong to no shop."""


async def shop_with_rows(process: Process, number: int) -> Mapping[str, Reading]:
    """A shop that has some of everything that is listed, by its list; under other names than one
    with another ``number``."""
    merchant = await register(process)
    told = Told(
        process, merchant.merchant_id, merchant.shop_domain, await admin(process, "superadmin"),
        number,
    )  # fmt: skip
    readings = {name: Reading(told, name) for name in PAGED}

    async def fill(reading: Reading) -> None:
        for _ in range(ROWS):
            await reading.seed.add(told)
        await eventually(reading.whole, lambda rows: len(rows) >= ROWS, ignore=[NotFound])

    await asyncio.gather(*map(fill, readings.values()))
    return readings


async def cursor_of(reading: Reading) -> str:
    _, cursor = await reading.page(limit=1)
    assert cursor is not None
    return cursor


async def attack(reading: Reading, cursors: Mapping[str, str]) -> list[str]:
    """What is wrong with what the list answers to these cursors."""
    wrong = []
    for whose, cursor in cursors.items():
        try:
            rows, _ = await reading.page(limit=MOST, cursor=cursor)
        except InvalidRequest as refusal:
            if [each.pointer for each in refusal.problems] != ["/cursor"]:
                wrong.append(f"{reading.operation.name} with one of {whose}: {refusal.problems}")
        except Exception as error:
            wrong.append(f"{reading.operation.name} with one of {whose}: {error!r}")
        else:
            if foreign := {*rows} - {*await reading.whole()}:
                wrong.append(f"{reading.operation.name} with one of {whose} shows {foreign}")
    return wrong


async def test_a_cursor_shows_nothing_but_ones_own_rows(run: Run) -> None:
    names = (name for name in SERVICES if name not in ("api_gateway", "frontend"))
    async with run(*names) as process:
        ours, theirs = [await shop_with_rows(process, number) for number in (0, 5_000)]
        for name in PAGED:
            if name not in OF_OURS:  # or else nobody could tell whose a row is
                assert not {*await ours[name].whole()} & {*await theirs[name].whole()}, name
        cursors = {name: await cursor_of(each) for name, each in theirs.items()}
        found = await asyncio.gather(*(attack(each, cursors) for each in ours.values()))
        assert [each for some in found for each in some] == []
