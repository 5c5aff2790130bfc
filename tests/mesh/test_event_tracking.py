"""The work queue on real servers: done once however it is delivered, retried when it fails."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from adapters.postgres.connection import text
from adapters.postgres.tenancy import ACROSS_SHOPS
from adapters.runtime.host import Process
from contracts import event_tracking
from contracts.caller import Caller, service_caller
from contracts.event_tracking import CreateTask, CreateTasks, GetTask, ListTasks, Task, TrackEvent
from domain.errors import DuplicateRequest, InvalidRequest, NotFound, Problem
from ports.tasks import ClaimedTask, Payload, Tasks, TrackedEvent
from ports.unit import Unit
from services.event_tracking.handlers import HANDLERS
from tests.conftest import Run, eventually
from tests.mesh.said import mesh_of, world_of


class Moody:
    """Writes an event for each task, then fails for as long as it is told to."""

    def __init__(self, max_tries: int = 8) -> None:
        self.max_tries = max_tries
        self.bad: set[str] = set()
        self.hold: asyncio.Event | None = None
        self.began = asyncio.Event()

    def problems(self, payload: Payload) -> list[Problem]:
        return []

    async def run(self, unit: Unit[Tasks], tasks: Sequence[ClaimedTask]) -> None:
        for task in tasks:
            await unit.stores.record(
                [
                    TrackedEvent(
                        merchant_id=task.key.merchant_id,
                        event_id=uuid4(),  # on purpose: only the transaction makes it once
                        name=str(task.payload["name"]),
                        properties={},
                        actor="",
                        at=task.created_at,
                    )
                ]
            )
        self.began.set()
        if self.hold is not None:
            await self.hold.wait()
        if any(task.payload["name"] in self.bad for task in tasks):
            raise ValueError("a text that may hold anything")


@contextmanager
def kind(name: str, handler: Moody) -> Iterator[None]:
    HANDLERS[name] = handler
    try:
        yield
    finally:
        del HANDLERS[name]


async def create(process: Process, caller: Caller, task: CreateTask, key: str = "") -> Task:
    return await mesh_of(process).call(
        event_tracking.CREATE_TASK, task, caller, idempotency_key=key or str(uuid4())
    )


async def get(process: Process, caller: Caller, task_id: UUID) -> Task:
    return await mesh_of(process).call(event_tracking.GET_TASK, GetTask(task_id=task_id), caller)


async def is_in(process: Process, caller: Caller, task_id: UUID, state: str) -> Task:
    return await eventually(lambda: get(process, caller, task_id), lambda task: task.state == state)


async def events_of(process: Process, merchant: UUID) -> list[tuple[str, object, str]]:
    async with world_of(process).database("event_tracking").transaction(ACROSS_SHOPS) as connection:
        rows = await connection.execute(
            text("SELECT name, properties, actor FROM events WHERE merchant_id = :m ORDER BY name"),
            {"m": merchant},
        )
        return [tuple(row) for row in rows]


async def test_a_tracked_event_is_stored_once(run: Run) -> None:
    merchant = uuid4()
    staff = service_caller("test", merchant)
    async with run("event_tracking") as process:
        mesh = mesh_of(process)
        track = TrackEvent(name="settings.opened", properties={"tab": "points", "width": 390})
        first = await mesh.call(event_tracking.TRACK_EVENT, track, staff, idempotency_key="k")
        again = await mesh.call(event_tracking.TRACK_EVENT, track, staff, idempotency_key="k")
        assert first == again
        done = await is_in(process, staff, first.task_id, "completed")
        assert (done.kind, done.tries, done.last_error) == ("track_event", 1, "")
        assert done.finished_at is not None
        assert await events_of(process, merchant) == [
            ("settings.opened", {"tab": "points", "width": 390}, "service:test")
        ]
        # A second delivery of a task that is done does nothing.
        await world_of(process).publisher.publish(
            event_tracking.queue_of("track_event").subject(merchant),
            b'{"task_ids":["%s"]}' % str(first.task_id).encode(),
            {"Nats-Msg-Id": str(uuid4())},
        )
        later = await create(process, staff, CreateTask(kind="noop"))
        await is_in(process, staff, later.task_id, "completed")
        assert (await get(process, staff, first.task_id)).tries == 1
        assert len(await events_of(process, merchant)) == 1


async def test_bad_input_is_refused_with_every_problem(run: Run) -> None:
    staff = service_caller("test", uuid4())
    async with run("event_tracking") as process:
        mesh = mesh_of(process)
        with pytest.raises(InvalidRequest) as refusal:
            await create(process, staff, CreateTask(kind="mine_bitcoin"))
        assert [each.pointer for each in refusal.value.problems] == ["/kind"]
        tasks = (CreateTask(kind="noop"), CreateTask(kind="track_event"), CreateTask(kind="x"))
        many = CreateTasks(tasks=tasks)
        with pytest.raises(InvalidRequest) as refusal:
            await mesh.call(event_tracking.CREATE_TASKS, many, staff, idempotency_key="k")
        assert [each.pointer for each in refusal.value.problems] == [
            "/tasks/1/payload/name",
            "/tasks/2/kind",
        ]
        track = TrackEvent(name=" ", properties={"name": "x"})
        with pytest.raises(InvalidRequest) as refusal:
            await mesh.call(event_tracking.TRACK_EVENT, track, staff, idempotency_key="k")
        assert [each.pointer for each in refusal.value.problems] == ["/properties/name", "/name"]
        wrong = ListTasks(state="lost", cursor="x", limit=0)
        with pytest.raises(InvalidRequest) as refusal:
            await mesh.call(event_tracking.LIST_TASKS, wrong, staff)
        assert [each.pointer for each in refusal.value.problems] == ["/limit", "/cursor", "/state"]
        with pytest.raises(InvalidRequest):
            await mesh.call(event_tracking.CREATE_TASK, CreateTask(kind="noop"), staff)


async def test_lists_are_paged_and_belong_to_one_shop(run: Run) -> None:
    staff, stranger = service_caller("test", uuid4()), service_caller("test", uuid4())
    async with run("event_tracking") as process:
        mesh = mesh_of(process)
        many = CreateTasks(tasks=tuple(CreateTask(kind="noop") for _ in range(5)))
        made = await mesh.call(event_tracking.CREATE_TASKS, many, staff, idempotency_key="k")
        assert made == await mesh.call(
            event_tracking.CREATE_TASKS, many, staff, idempotency_key="k"
        )
        fewer = CreateTasks(tasks=many.tasks[1:])
        with pytest.raises(DuplicateRequest):
            await mesh.call(event_tracking.CREATE_TASKS, fewer, staff, idempotency_key="k")
        for task_id in made.task_ids:
            await is_in(process, staff, task_id, "completed")
        seen: list[UUID] = []
        cursor = None
        while True:
            page = await mesh.call(
                event_tracking.LIST_TASKS,
                ListTasks(state="completed", limit=2, cursor=cursor),
                staff,
            )
            seen += [task.task_id for task in page.tasks]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert seen == sorted(made.task_ids, reverse=True)
        pending = await mesh.call(event_tracking.LIST_TASKS, ListTasks(state="pending"), staff)
        assert pending.tasks == ()
        assert (await mesh.call(event_tracking.LIST_TASKS, ListTasks(), stranger)).tasks == ()
        with pytest.raises(NotFound):
            await get(process, stranger, made.task_ids[0])


async def test_a_postponed_task_waits_for_its_time(run: Run) -> None:
    staff = service_caller("test", uuid4())
    async with run("event_tracking") as process:
        soon = datetime.now(UTC) + timedelta(seconds=1)
        late = await create(
            process, staff, CreateTask(kind="noop", not_before=soon + timedelta(days=1))
        )
        task = await create(process, staff, CreateTask(kind="noop", not_before=soon))
        done = await is_in(process, staff, task.task_id, "completed")
        assert done.finished_at is not None
        assert done.finished_at >= soon
        assert (await get(process, staff, late.task_id)).state == "pending"


async def test_what_fails_is_tried_again_and_harms_no_neighbour(run: Run) -> None:
    merchant = uuid4()
    staff = service_caller("test", merchant)
    moody = Moody()
    moody.bad = {"b"}
    with kind("moody", moody):
        async with run("event_tracking") as process:
            tasks = tuple(CreateTask(kind="moody", payload={"name": name}) for name in "abc")
            made = await mesh_of(process).call(
                event_tracking.CREATE_TASKS, CreateTasks(tasks=tasks), staff, idempotency_key="k"
            )
            a, b, c = made.task_ids
            await is_in(process, staff, a, "completed")
            await is_in(process, staff, c, "completed")
            failed = await eventually(lambda: get(process, staff, b), lambda task: task.tries == 1)
            assert (failed.state, failed.last_error) == ("pending", "ValueError")
            moody.bad.clear()
            assert (await is_in(process, staff, b, "completed")).tries == 2
            assert [name for name, _, _ in await events_of(process, merchant)] == ["a", "b", "c"]


async def test_a_worker_that_dies_in_the_middle_leaves_the_task_to_another(run: Run) -> None:
    merchant = uuid4()
    staff = service_caller("test", merchant)
    moody = Moody()
    moody.hold = asyncio.Event()
    with kind("moody", moody):
        async with run("event_tracking") as first:
            task = await create(first, staff, CreateTask(kind="moody", payload={"name": "a"}))
            await moody.began.wait()
            # Gone without a word: neither committed nor acknowledged.
            for running in first._running:
                for consumer in running.consumers:
                    assert consumer._task is not None
                    consumer._task.cancel()
                    await consumer._puller.stop()
                    consumer._puller._subscription = None
            moody.hold = None
            async with run("event_tracking") as second:
                # What the server does when the acknowledgement stays away, without the wait.
                await world_of(second).publisher.publish(
                    event_tracking.queue_of("moody").subject(merchant),
                    b'{"task_ids":["%s"]}' % str(task.task_id).encode(),
                    {"Nats-Msg-Id": str(uuid4())},
                )
                done = await is_in(second, staff, task.task_id, "completed")
                assert done.tries == 1
                assert len(await events_of(second, merchant)) == 1


async def test_replicas_share_the_work(run: Run) -> None:
    merchant = uuid4()
    staff = service_caller("test", merchant)
    async with run("event_tracking") as one, run("event_tracking"):
        names = [f"n{number:03}" for number in range(300)]
        tasks = tuple(CreateTask(kind="track_event", payload={"name": name}) for name in names)
        await mesh_of(one).call(
            event_tracking.CREATE_TASKS, CreateTasks(tasks=tasks), staff, idempotency_key="k"
        )
        found = await eventually(
            lambda: events_of(one, merchant), lambda events: len(events) >= len(names)
        )
        assert [name for name, _, _ in found] == names
