"""A shop that has removed the app is worked for by nobody; what waited is done when it is back."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from adapters.runtime.host import Process
from contracts import auth, shop
from contracts.caller import service_caller
from contracts.event_tracking import CREATE_TASK, GET_TASK, CreateTask, GetTask, Task
from tests.conftest import Run, eventually
from tests.mesh.said import mesh_of, register, say


class Worked:
    """The tasks of one shop."""

    def __init__(self, process: Process, merchant_id: UUID) -> None:
        self._mesh = mesh_of(process)
        self._caller = service_caller("test", merchant_id)

    async def create(self, not_before: datetime | None = None) -> UUID:
        task = CreateTask(kind="noop", not_before=not_before)
        key = str(uuid4())
        return (await self._mesh.call(CREATE_TASK, task, self._caller, idempotency_key=key)).task_id

    async def task(self, task_id: UUID) -> Task:
        return await self._mesh.call(GET_TASK, GetTask(task_id=task_id), self._caller)

    async def is_done(self, task_id: UUID) -> bool:
        return (await self.task(task_id)).state == "completed"


async def test_tasks_of_a_shop_that_has_left_wait_until_it_is_back(run: Run) -> None:
    async with run("auth", "event_tracking") as process:
        merchant, other = await register(process), await register(process)
        ours, theirs = Worked(process, merchant.merchant_id), Worked(process, other.merchant_id)
        before = await ours.create()
        await eventually(lambda: ours.is_done(before))

        gone = shop.Uninstalled(shop_domain=merchant.shop_domain, removed_at=datetime.now(UTC))
        await say(process, shop.APP_UNINSTALLED, gone, merchant.merchant_id)

        async def waits() -> bool:
            """A task made after the news have come is passed over by one of another shop."""
            tried, marker = await ours.create(), await theirs.create()
            await eventually(lambda: theirs.is_done(marker))
            return not await ours.is_done(tried)

        await eventually(waits)
        soon = datetime.now(UTC) + timedelta(seconds=1)
        waiting = [await ours.create(), await ours.create(soon), await theirs.create(soon)]
        await eventually(lambda: theirs.is_done(waiting[2]))
        left = [await ours.task(task_id) for task_id in waiting[:2]]
        assert [(task.state, task.tries) for task in left] == [("pending", 0)] * 2

        # It is back: old news of its removal, which come again, do not close it.
        await register(process, merchant.shop_domain)
        await eventually(lambda: ours.is_done(waiting[0]))
        await eventually(lambda: ours.is_done(waiting[1]))
        assert (await ours.task(waiting[0])).tries == 1
        old = auth.MerchantChanged(shop_domain=merchant.shop_domain, status="uninstalled")
        await say(
            process, auth.MERCHANT_CHANGED, old, merchant.merchant_id, at=merchant.installed_at
        )
        after, marker = await ours.create(), await theirs.create()
        await eventually(lambda: theirs.is_done(marker))
        await eventually(lambda: ours.is_done(after))
