"""Admin core on real servers: the audit log, privacy requests, and dead letters that live again."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from adapters.nats.connection import AT, EVENT_ID, MESSAGE_ID
from adapters.nats.consumer import Consumer, Consumes
from adapters.postgres.audit import PostgresAudit
from adapters.postgres.connection import DatabaseError, text
from adapters.postgres.tenancy import MIGRATION
from adapters.runtime.host import Process
from contracts import admin_core, campaign, event_tracking, points, roles, shop
from contracts.admin_core import (
    AuditRecord,
    DeadLetter,
    GetAuditLogs,
    ListDeadLetters,
    ListPrivacyRequests,
    PrivacyCase,
    ReplayDeadLetter,
)
from contracts.caller import Audience, Caller, service_caller
from contracts.campaign import TierAssigned
from contracts.event_tracking import CreateTask, CreateTasks
from contracts.kit import Body, Event
from contracts.points import PointsMoved
from contracts.sessions import AUTH_REVOKED, AuthRevoked
from contracts.shop import PrivacyRequest
from domain.errors import InvalidRequest, NotFound
from ports.audit import Audit
from ports.events import Received
from ports.unit import Unit
from tests.conftest import Run, eventually
from tests.mesh.said import mesh_of, say, world_of
from tests.mesh.test_event_tracking import Moody, get, is_in, kind

AT_NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def earned(number: int = 1, customer: UUID | None = None) -> PointsMoved:
    return PointsMoved(
        entry_id=uuid4(),
        customer_id=customer or uuid4(),
        points=100 + number,
        kind="earn",
        source="order",
        source_ref=f"o{number}",
        spendable=100,
        pending=0,
        version=number,
        occurred_at=AT_NOON,
    )


async def garble(process: Process, event: Event[Body], payload: bytes, merchant: UUID) -> None:
    """Say something that is no ``event``."""
    await world_of(process).publisher.publish(
        event.subject(merchant), payload, {MESSAGE_ID: str(uuid4())}
    )


async def log_of(process: Process, caller: Caller, **asked: Any) -> Sequence[AuditRecord]:
    answer = await mesh_of(process).call(admin_core.GET_AUDIT_LOGS, GetAuditLogs(**asked), caller)
    return answer.records


async def letters_of(process: Process, caller: Caller, state: str = "open") -> Sequence[DeadLetter]:
    answer = await mesh_of(process).call(
        admin_core.LIST_DEAD_LETTERS, ListDeadLetters(state=state), caller
    )
    return answer.letters


async def replay(process: Process, caller: Caller, letter: DeadLetter) -> DeadLetter:
    return await mesh_of(process).call(
        admin_core.REPLAY_DEAD_LETTER, ReplayDeadLetter(letter_id=letter.letter_id), caller
    )


def seconds(number: int) -> datetime:
    return AT_NOON + timedelta(seconds=number)


async def test_events_leave_records_once_and_in_the_order_of_their_time(run: Run) -> None:
    merchant, customer, first_id = uuid4(), uuid4(), str(uuid4())
    staff, stranger = service_caller("test", merchant), service_caller("test", uuid4())
    tier = TierAssigned(
        customer_id=customer, tier="Gold", previous="Silver", version=2, occurred_at=AT_NOON
    )
    once = earned(1, customer)
    async with run("admin_core") as process:
        await say(process, campaign.TIER_ASSIGNED, tier, merchant, at=seconds(5))
        for message_id in (first_id, str(uuid4()), str(uuid4())):
            # The stream would drop a repeat of a message; the log knows an event in another one.
            headers = {MESSAGE_ID: message_id, EVENT_ID: first_id, AT: AT_NOON.isoformat()}
            await world_of(process).publisher.publish(
                points.EARNED.subject(merchant), msgspec.json.encode(once), headers
            )
        await say(process, campaign.TIER_ASSIGNED, tier, merchant, at=seconds(9))  # after all that
        found = await eventually(lambda: log_of(process, staff), lambda records: len(records) >= 3)
        _, newest, oldest = found
        assert (newest.action, newest.subject) == ("vip_tier.assigned", f"customer:{customer}")
        assert newest.details == "tier: Silver → Gold"
        assert (oldest.action, oldest.actor) == ("points.earned", "service:points")
        assert oldest.details == "+101 points, order o1"
        assert oldest.occurred_at == AT_NOON
        assert await log_of(process, stranger) == ()


async def test_what_a_person_did_is_recorded_under_their_id(run: Run) -> None:
    merchant = uuid4()
    person = Caller(
        audience=Audience.MERCHANT, actor="staff-7", merchant_id=merchant, permissions=("points:*",)
    )
    async with run("admin_core", "points") as process:
        gift = points.Adjust(customer_id=uuid4(), points=5, reason="sorry")
        told = service_caller("test", merchant)
        await mesh_of(process).call(points.ADJUST, gift, told, idempotency_key="a start")
        await mesh_of(process).call(points.ADJUST, gift, person, idempotency_key="k")
        record, _ = await eventually(lambda: log_of(process, told), lambda found: len(found) == 2)
        assert (record.action, record.actor) == ("points.adjusted", "staff:staff-7")


async def test_a_record_names_both_where_one_acts_as_another(run: Run) -> None:
    merchant = uuid4()
    person = Caller(
        audience=Audience.MERCHANT, actor="visit-7", merchant_id=merchant, impersonator="admin:9",
        permissions=("points:*",),
    )  # fmt: skip
    async with run("admin_core", "points") as process:
        gift = points.Adjust(customer_id=uuid4(), points=5, reason="sorry")
        told = service_caller("test", merchant)
        await mesh_of(process).call(points.ADJUST, gift, told, idempotency_key="a start")
        await mesh_of(process).call(points.ADJUST, gift, person, idempotency_key="k")
        record, _ = await eventually(lambda: log_of(process, told), lambda found: len(found) == 2)
        assert record.actor == "staff:visit-7 via admin:9"


async def test_an_ended_session_leaves_a_record_of_who_ended_it_and_why(run: Run) -> None:
    merchant = uuid4()
    ended = AuthRevoked(
        session_ids=(uuid4(), uuid4()), expires_at=AT_NOON, reason="reused", subject="staff-7"
    )
    async with run("admin_core") as process:
        await say(process, AUTH_REVOKED, ended, merchant)
        (record,) = await eventually(lambda: log_of(process, service_caller("test", merchant)))
        assert (record.action, record.subject) == ("auth.revoked", "holder:staff-7")
        assert record.details == "2 sessions, 0 tokens: reused"
        assert record.actor == "service:auth"


async def test_who_gave_whom_which_role_is_recorded(run: Run) -> None:
    merchant = uuid4()
    role = uuid4()
    said: list[tuple[Event[Body], Body]] = [
        (
            roles.ROLE_CREATED,
            roles.RoleChanged(
                role_id=role, name="clerk", permissions=("points:read",), inherits=("viewer",)
            ),
        ),
        (roles.ROLE_ASSIGNED, roles.RoleAssigned(subject="staff:7", role="clerk", before="viewer")),
        (roles.ROLE_UNASSIGNED, roles.RoleUnassigned(subject="staff:7", role="clerk")),
        (roles.ROLE_DELETED, roles.RoleRemoved(role_id=role, name="clerk")),
    ]
    async with run("admin_core") as process:
        for number, (event, body) in enumerate(said):
            await say(process, event, body, merchant, at=seconds(number))
        found = await eventually(
            lambda: log_of(process, service_caller("test", merchant)),
            lambda records: len(records) == len(said),
        )
        assert [(each.action, each.subject, each.details) for each in reversed(found)] == [
            ("role.created", f"role:{role}", "clerk: points:read +viewer"),
            ("role.assigned", "holder:staff:7", "role: viewer → clerk"),
            ("role.unassigned", "holder:staff:7", "role: clerk → none"),
            ("role.deleted", f"role:{role}", "clerk"),
        ]


async def test_the_log_is_searched_and_paged(run: Run) -> None:
    merchant = uuid4()
    staff = service_caller("test", merchant)
    async with run("admin_core") as process:
        for number in range(6):
            # Two at each instant: the order must be stable where the time does not decide.
            await say(process, points.EARNED, earned(number), merchant, at=seconds(number // 2))
        await say(process, points.ADJUSTED, earned(9), merchant, at=seconds(1))
        everything = await eventually(
            lambda: log_of(process, staff), lambda records: len(records) == 7
        )
        seen: list[AuditRecord] = []
        cursor = None
        while True:
            page = await mesh_of(process).call(
                admin_core.GET_AUDIT_LOGS, GetAuditLogs(limit=2, cursor=cursor), staff
            )
            seen += page.records
            cursor = page.next_cursor
            if cursor is None:
                break
        assert tuple(seen) == everything
        found = await log_of(process, staff, since=seconds(1), until=seconds(2))
        assert [each.action for each in found].count("points.earned") == 2
        assert len(found) == 3
        (adjusted,) = await log_of(process, staff, action="points.adjusted")
        assert adjusted.details.startswith("+109")
        with pytest.raises(InvalidRequest) as refusal:
            await log_of(process, staff, limit=251, cursor="?", since=seconds(1), until=seconds(1))
        pointers = [each.pointer for each in refusal.value.problems]
        assert pointers == ["/limit", "/cursor", "/until"]


async def test_the_log_only_grows(run: Run) -> None:
    merchant = uuid4()
    async with run("admin_core") as process:
        await say(process, points.EARNED, earned(), merchant, at=AT_NOON)
        staff = service_caller("test", merchant)
        await eventually(lambda: log_of(process, staff))
        for statement in (
            "UPDATE audit_logs SET details = ''",
            "DELETE FROM audit_logs",
            "TRUNCATE audit_logs",
        ):
            with pytest.raises(DatabaseError, match="only grows"):
                async with (
                    world_of(process).database("admin_core").transaction(MIGRATION) as connection
                ):
                    await connection.execute(text(statement))


async def cases_of(process: Process, caller: Caller) -> Sequence[PrivacyCase]:
    answer = await mesh_of(process).call(
        admin_core.LIST_PRIVACY_REQUESTS, ListPrivacyRequests(), caller
    )
    return answer.requests


async def test_privacy_requests_are_taken_in_once_with_a_due_date(run: Run) -> None:
    merchant, customer = uuid4(), uuid4()
    staff, stranger = service_caller("test", merchant), service_caller("test", uuid4())
    data = PrivacyRequest(request_key="7", customer_id=customer, order_ids=("o1", "o2"))
    async with run("admin_core") as process:
        for _ in range(2):  # two webhooks of Shopify's, each with its own id
            await say(process, shop.DATA_REQUESTED, data, merchant, at=AT_NOON)
        await say(
            process, shop.CUSTOMER_REDACTED, PrivacyRequest(request_key="7"), merchant, at=AT_NOON
        )
        await say(
            process, shop.SHOP_REDACTED, PrivacyRequest(request_key="1"), merchant, at=AT_NOON
        )
        records = await eventually(
            lambda: log_of(process, staff, action="gdpr_request.created"),
            lambda records: len(records) == 3,
        )
        cases = await cases_of(process, staff)
        assert {case.kind for case in cases} == {"data_request", "customer_redact", "shop_redact"}
        assert {record.subject for record in records} == {
            f"privacy_request:{case.request_id}" for case in cases
        }
        (about_data,) = (case for case in cases if case.kind == "data_request")
        assert (about_data.state, about_data.customer_id) == ("received", customer)
        assert about_data.received_at == AT_NOON
        assert about_data.due_at == AT_NOON + timedelta(days=30)
        assert await cases_of(process, stranger) == ()
        with pytest.raises(InvalidRequest):
            await mesh_of(process).call(
                admin_core.LIST_PRIVACY_REQUESTS, ListPrivacyRequests(limit=0), staff
            )


class Stubborn:
    """A consumer of some service that cannot apply an event until it is mended."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.broken = True
        self.applied: list[str] = []

    async def apply(self, unit: Unit[Audit], events: Sequence[Received[Any]]) -> None:
        if self.broken:
            raise ValueError("not to be told")
        self.applied += [event.id for event in events]


@asynccontextmanager
async def consuming(process: Process, stubborn: Stubborn) -> AsyncIterator[None]:
    world = world_of(process)
    consumer = Consumer(
        world.client,
        world.js,
        world.publisher,
        "points",
        Consumes(
            (points.EARNED,),
            world.units("admin_core", PostgresAudit),
            stubborn.apply,
            name=stubborn.name,
            backoff=(0.05,),
        ),
    )
    await consumer.start()
    try:
        yield
    finally:
        await consumer.stop()
        await world.js.delete_consumer("EVENTS", f"{stubborn.name}-events")


async def test_a_dead_letter_is_listed_and_lives_again(run: Run) -> None:
    merchant, event_id = uuid4(), str(uuid4())
    staff, stranger = service_caller("test", merchant), service_caller("test", uuid4())
    broken, fine = Stubborn(f"broken-{merchant}"), Stubborn(f"fine-{merchant}")
    fine.broken = False
    async with (
        run("admin_core") as process,
        consuming(process, broken),
        consuming(process, fine),
    ):
        await say(process, points.EARNED, earned(), merchant, event_id, at=AT_NOON)
        (letter,) = await eventually(lambda: letters_of(process, staff))
        assert (letter.event, letter.event_id) == ("points.earned", event_id)
        assert (letter.consumer, letter.reason) == (broken.name, "ValueError")
        assert (letter.tries, letter.state) == (2, "open")
        assert await letters_of(process, stranger) == ()
        with pytest.raises(NotFound):
            await replay(process, stranger, letter)

        # Replayed too early it dies again: a new open letter, the old one stays as replayed.
        assert (await replay(process, staff, letter)).state == "replayed"
        (second,) = await eventually(
            lambda: letters_of(process, staff),
            lambda letters: len(letters) == 1 and letters[0].letter_id != letter.letter_id,
        )
        assert second.event_id == event_id
        (first,) = await letters_of(process, staff, "replayed")
        assert first.letter_id == letter.letter_id

        broken.broken = False
        done = await replay(process, staff, second)
        await eventually(lambda: _now(broken.applied))
        again = await replay(process, staff, second)
        assert again == done  # the first time is kept
        marker = str(uuid4())
        await say(process, points.EARNED, earned(2), merchant, marker, at=AT_NOON)
        for consumer in (broken, fine):
            await eventually(lambda who=consumer: _now(marker in who.applied))  # type: ignore[misc]  # of a default
            mine = [each for each in consumer.applied if each in (event_id, marker)]
            assert mine == [event_id, marker]
        assert await letters_of(process, staff) == ()
        assert len(await letters_of(process, staff, "")) == 2


async def _now(answer: Any) -> Any:
    return answer


async def test_an_event_that_nobody_can_read_dies_at_once(run: Run) -> None:
    merchant = uuid4()
    staff = service_caller("test", merchant)
    async with run("points", "admin_core") as process:
        await garble(process, shop.ORDER_CREATED, b'{"order_id": ["of another shape"]}', merchant)
        (letter,) = await eventually(lambda: letters_of(process, staff))
        assert (letter.event, letter.consumer) == ("orders.create", "points")
        assert (letter.reason, letter.tries) == ("ValidationError", 1)


async def test_a_dead_letter_that_cannot_be_filed_harms_no_other(run: Run) -> None:
    merchant = uuid4()
    staff = service_caller("test", merchant)
    async with run("admin_core") as process:
        await world_of(process).publisher.publish(
            f"dead.points.{merchant}", b"written by somebody else", {MESSAGE_ID: str(uuid4())}
        )
        await garble(process, shop.DATA_REQUESTED, b"\xff\x00 not even JSON", merchant)
        (letter,) = await eventually(lambda: letters_of(process, staff))
        assert (letter.event, letter.consumer) == ("customers.data_request", "admin_core")
        with pytest.raises(InvalidRequest) as refusal:
            await mesh_of(process).call(
                admin_core.LIST_DEAD_LETTERS, ListDeadLetters(state="x", limit=0, cursor=""), staff
            )
        pointers = [each.pointer for each in refusal.value.problems]
        assert pointers == ["/limit", "/cursor", "/state"]


async def test_a_task_that_is_given_up_becomes_a_dead_letter_and_can_be_replayed(run: Run) -> None:
    merchant = uuid4()
    staff = service_caller("test", merchant)
    moody = Moody(max_tries=1)
    moody.bad = {"a"}
    with kind("moody", moody):
        async with run("event_tracking", "admin_core") as process:
            tasks = tuple(CreateTask(kind="moody", payload={"name": name}) for name in "ab")
            many = CreateTasks(tasks=tasks)
            made = await mesh_of(process).call(
                event_tracking.CREATE_TASKS, many, staff, idempotency_key="k"
            )
            failing, fine = made.task_ids
            dead = await is_in(process, staff, failing, "dead")
            assert (dead.tries, dead.last_error) == (1, "ValueError")
            (letter,) = await eventually(lambda: letters_of(process, staff))
            assert (letter.event, letter.consumer) == ("moody", "event_tracking")
            assert letter.reason == "ValueError"
            (record,) = await eventually(
                lambda: log_of(process, staff, action=event_tracking.TASK_FAILED.name)
            )
            assert record.subject == f"task:{failing}"
            moody.bad.clear()
            await replay(process, staff, letter)
            assert (await is_in(process, staff, failing, "completed")).tries == 2
            # They came in one message, and the replay brought both again.
            assert (await get(process, staff, fine)).tries == 1
