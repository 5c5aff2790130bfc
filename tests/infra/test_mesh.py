"""Users of NATS: each may do what its service does, says the code; nothing else, says NATS."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from uuid import uuid4

import nats
import pytest
import pytest_asyncio
from nats.aio.client import Client
from nats.js.errors import Error as JetStreamError

from adapters.nats.streams import ensure_streams
from contracts.registry import REGISTRY
from infra.embedded.nats import NatsServer
from infra.embedded.servers import Servers
from infra.mesh import users
from infra.mesh.__main__ import documents
from infra.mesh.parts import PLACE, parts
from infra.mesh.permissions import STREAMS
from services import SERVICES
from tests.conftest import eventually
from tests.contracts.pacts import pacts
from tests.contracts.wired import called_operations
from tests.embedded.test_servers import connect_nats

pytestmark = pytest.mark.asyncio(loop_scope="module")

PARTS = {part.service: part for part in parts()}
SHOP = str(uuid4())
END = "nobody.may.say.this"
OPERATIONS = {each.subject: each for each in REGISTRY.operations.values()}
TOPICS = {topic for part in parts() for topic in part.says}
DURABLES = {name: stream for part in parts() for name, stream in part.consumes.items()}


async def test_what_is_committed_is_what_the_code_says() -> None:
    """``./dev.sh contracts`` writes it."""
    assert (await asyncio.to_thread(documents))[PLACE] == PLACE.read_text()
    assert users.COMPOSE.read_text() == users.for_compose()
    assert list(PARTS) == list(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
async def test_nothing_that_a_service_relies_on_is_missing(service: str) -> None:
    may = {*PARTS[service].calls, *(name for name in REGISTRY.operations if is_of(service, name))}
    assert called_operations(service) <= may
    if pact := pacts().get(service):
        assert {call.operation.name for call in pact.calls} <= may
        consumed = {
            {"evt": "EVENTS", "shop": "WEBHOOKS"}[event.prefix]
            for reads in pact.reads
            for event in reads.events
            if not any(heard(event.topic, each) for each in PARTS[service].hears)
        }
        assert consumed <= set(PARTS[service].consumes.values())


def is_of(service: str, operation: str) -> bool:
    return operation.startswith(f"{service}.")


def heard(topic: str, pattern: str) -> bool:
    return fits(f"{topic}.{SHOP}", pattern)


def fits(subject: str, pattern: str) -> bool:
    """As NATS compares them."""
    words, wanted = subject.split("."), pattern.split(".")
    for number, each in enumerate(wanted):
        if each == ">":
            return len(words) > number
        if number >= len(words) or each not in ("*", words[number]):
            return False
    return len(words) == len(wanted)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsServer]:
    async with Servers(tmp_path_factory.mktemp("nats"), names=("nats",)) as servers:
        everything = await connect_nats(servers.environment())
        await ensure_streams(everything.jetstream())
        await everything.close()
        found = servers["nats"]
        assert isinstance(found, NatsServer)
        yield found


class Told(list[str]):
    """What the server refused, as it says it."""

    async def hear(self, error: Exception) -> None:
        self.append(str(error))


@asynccontextmanager
async def as_user(server: NatsServer, user: str) -> AsyncIterator[tuple[Client, Told]]:
    told = Told()
    client = await nats.connect(
        server.url_of(user),
        error_cb=told.hear,
        inbox_prefix=f"_INBOX.{user}",
        allow_reconnect=False,
    )
    try:
        yield client, told
    finally:
        await client.close()


async def refused(
    client: Client, told: Told, verb: str, subjects: Iterable[str], queue: str = ""
) -> set[str]:
    """Those of ``subjects`` that may not be published, or subscribed to."""
    known = {f'"{each.lower()}"': each for each in subjects}
    told.clear()
    for each in known.values():
        if verb == "publish":
            await client.publish(each, b"{}")
        else:
            await client.subscribe(each, queue=queue)
    await client.publish(END, b"")

    async def all_told() -> bool:
        return any(END in each for each in told)  # refusals come in order

    await eventually(all_told)
    lines = [each.lower() for each in told[:-1]]
    assert all(f"permissions violation for {verb}" in each for each in lines)
    return {subject for quoted, subject in known.items() if any(quoted in each for each in lines)}


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_says_what_is_its_own(server: NatsServer, service: str) -> None:
    part = PARTS[service]
    own = {f"{topic}.{SHOP}" for topic in part.says}
    asked = {subject for subject, each in OPERATIONS.items() if each.name in part.calls}
    asked |= {subject for subject, each in OPERATIONS.items() if each.service == service}
    work = {
        f"$JS.API.CONSUMER.{verb}.{stream}.{name}"
        for name, stream in DURABLES.items()
        for verb in ("DURABLE.CREATE", "INFO", "MSG.NEXT", "DELETE")
    }
    own_work = {
        each for each in work if each.rpartition(".")[2] in part.consumes and ".DELETE." not in each
    }
    if part.looks_back:
        own_work |= {each for each in work if ".EVENTS." in each and ".DURABLE." not in each}
        own_work.add("$JS.API.CONSUMER.CREATE.EVENTS.mine")
    never = {
        *(f"$JS.API.STREAM.{verb}.{stream}" for stream in STREAMS
          for verb in ("UPDATE", "DELETE", "PURGE", "MSG.GET", "MSG.DELETE")),
        "$JS.API.STREAM.CREATE.RPC",
        *(f"$JS.API.CONSUMER.CREATE.{stream}.mine" for stream in STREAMS),
        "$JS.ACK.EVENTS.somebody-events.1.2.3.4.5",
        "evt.made.up." + SHOP, "elsewhere",
    }  # fmt: skip
    if part.replays:
        own |= {f"{topic}.{SHOP}" for topic in TOPICS if not topic.startswith("dead.")}
        never.discard("evt.made.up." + SHOP)
    everything = {f"{topic}.{SHOP}" for topic in TOPICS} | set(OPERATIONS) | work | never
    async with as_user(server, service) as (client, told):
        forbidden = await refused(client, told, "publish", everything)
    assert forbidden == everything - own - asked - own_work


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_hears_what_is_meant_for_it(server: NatsServer, service: str) -> None:
    part = PARTS[service]
    topics = {f"{topic}.*" for topic in TOPICS}
    heard_by_it = {each for each in topics if any(fits(each, pattern) for pattern in part.hears)}
    others = {f"rpc.{each}.>" for each in SERVICES} | {f"_INBOX.{each}.>" for each in SERVICES}
    wide = {">", "*.>", "evt.>", "rpc.>", "_INBOX.>", "$JS.>", "rpc.*.v1.*"}
    async with as_user(server, service) as (client, told):
        forbidden = await refused(client, told, "subscription", topics | others | wide)
        assert forbidden == (topics | others | wide) - heard_by_it - {f"_INBOX.{service}.>"}
        # What it answers it gets as one of its replicas, and in no other way.
        own = {f"rpc.{service}.>"}
        assert await refused(client, told, "subscription", own, queue=service) == set()
        assert await refused(client, told, "subscription", own, queue="mine") == own


async def test_all_of_them_in_one_process_may_what_each_may(server: NatsServer) -> None:
    async with as_user(server, users.ALL) as (client, told):
        fine = {f"{topic}.{SHOP}" for topic in TOPICS} | set(OPERATIONS)
        assert await refused(client, told, "publish", fine) == set()
        never = {"$JS.API.STREAM.DELETE.EVENTS", "$JS.API.STREAM.PURGE.EVENTS", "elsewhere"}
        assert await refused(client, told, "publish", never) == never
        assert await refused(client, told, "subscription", {">", "evt.>"}) == {">", "evt.>"}


async def test_no_password_opens_for_another(server: NatsServer) -> None:
    password = server.url_of("frontend").split(":")[2].partition("@")[0]
    assert len({server.url_of(each) for each in (*SERVICES, users.ALL, "operator")}) == 17
    with pytest.raises(nats.errors.Error, match=r"(?i)authorization"):
        await nats.connect(
            f"nats://auth:{password}@127.0.0.1:{server.port}", allow_reconnect=False,
        )  # fmt: skip


async def test_a_stream_cannot_be_made_in_anothers_name(server: NatsServer) -> None:
    """Nor one that takes in what is none of its business under a name that is allowed."""
    async with as_user(server, "frontend") as (client, _):
        js = client.jetstream(timeout=1)
        await ensure_streams(js)  # which are there
        with pytest.raises((JetStreamError, TimeoutError, asyncio.TimeoutError)):
            await js.add_stream(name="EVENTS", subjects=["evt.>", "rpc.>"])
        with pytest.raises((JetStreamError, TimeoutError, nats.errors.TimeoutError)):
            await js.add_stream(name="MINE", subjects=["rpc.>"])
