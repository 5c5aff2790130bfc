"""Background tasks end, also those whose cancellation gets lost on the way."""

import asyncio

from adapters.tasks import end_all


async def test_a_swallowed_cancellation_is_repeated() -> None:
    started = asyncio.Event()
    swallowed = 0

    async def goes_on() -> None:
        nonlocal swallowed
        while True:
            try:
                started.set()
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                if swallowed == 2:
                    raise
                swallowed += 1  # as wait_for does when its answer arrives at that moment

    async def fails() -> None:
        raise ValueError

    tasks = [asyncio.create_task(goes_on()), asyncio.create_task(fails())]
    await started.wait()
    await asyncio.wait_for(end_all(tasks), 5)
    assert all(task.done() for task in tasks)
    assert swallowed == 2


async def test_nothing_to_end() -> None:
    await end_all([])
