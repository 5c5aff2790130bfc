"""Reads from the code what each service does over NATS: from its contracts, its wiring, and which
operations its use cases name, or adapters on their behalf."""

import asyncio
import base64
import importlib
import pkgutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from redis.asyncio import Redis

from adapters.nats.client import NatsMesh
from adapters.nats.connection import QuickClient
from adapters.nats.consumer import STREAMS
from adapters.nats.dead import NatsReplay
from adapters.nats.live import TOPICS, LiveEvents, hear, watch
from adapters.nats.publisher import Publisher
from adapters.nats.vouching import Vouching
from adapters.runtime.service import Service
from adapters.runtime.settings import Settings
from adapters.runtime.world import World
from adapters.system import SystemClock, UuidV7
from contracts.kit import Event, Operation
from contracts.registry import REGISTRY
from infra.mesh.parts import Part
from services import SERVICES

GATEWAY: Final = "api_gateway"


def read_parts() -> tuple[Part, ...]:
    """All services, in their order."""
    with tempfile.TemporaryDirectory() as folder:
        return tuple(_part(each) for each in asyncio.run(_wired(Path(folder))))


async def _wired(folder: Path) -> list[Service]:
    world = unconnected(folder)
    return [importlib.import_module(f"services.{name}.wiring").service(world) for name in SERVICES]


def unconnected(folder: Path, kind: type[World] = World) -> World:
    """One in which nothing is connected to anything; ``folder`` takes the keys that it reads."""
    key = folder / "key"
    key.touch(mode=0o600)
    key.write_text(base64.b64encode(bytes(32)).decode())
    settings = Settings(
        nats_url="nats://127.0.0.1:1",
        postgres_url="postgresql://127.0.0.1:1",
        valkey_url="redis://127.0.0.1:1/0",
        master_key_file=key,
        jwt_key_file=key,
        shopify_client_id="client",
        shopify_client_secret="secret",  # noqa: S106  # nobody is asked with it
    )
    client = QuickClient()
    vouching = Vouching(settings.app_secrets)
    return kind(
        settings=settings,
        client=client,
        js=client.jetstream(),
        publisher=Publisher(client),
        mesh=NatsMesh(client, vouching),
        vouching=vouching,
        valkey=Redis.from_url(settings.valkey_url),
        clock=SystemClock(),
        ids=UuidV7(),
    )


def _part(service: Service) -> Part:
    name = service.name
    modules = list(_modules(name))
    calls = {
        each.name
        for module in modules
        for each in _among(module)
        if isinstance(each, Operation) and each.service != name
    }
    if name == GATEWAY:
        calls |= {each.name for each in REGISTRY.operations.values() if each.http is not None}
    says = {each.topic for each in _events() if name in (each.publisher, *each.also)}
    queues = {
        each.topic for one in service.consumes for each in one.events if each.prefix == "task"
    }
    wired = list(_among(importlib.import_module(f"services.{name}.wiring")))
    hears = {f"{topic}.*" for topic in TOPICS} if LiveEvents in wired else set[str]()
    for module in modules:
        found = list(_among(module))
        if watch in found or hear in found:
            hears |= {f"{each.topic}.*" for each in found if isinstance(each, Event)}
    return Part(
        service=name,
        calls=tuple(sorted(calls)),
        says=tuple(sorted(says | queues | ({f"dead.{name}"} if service.consumes else set()))),
        replays=NatsReplay in wired,
        consumes=dict(
            sorted(
                (f"{one.name or name}-{stream.lower()}", stream)
                for one in service.consumes
                for stream in {STREAMS[each.prefix] for each in one.events}
            )
        ),
        hears=tuple(sorted(hears)),
        looks_back=LiveEvents in wired,
    )


def _events() -> Iterator[Event[Any]]:
    yield from REGISTRY.events.values()
    for webhook in REGISTRY.webhooks.values():
        yield webhook.event


def _modules(service: str) -> Iterator[ModuleType]:
    """The use cases of a service, its wiring, and the adapters that it uses, or that those use."""
    package = importlib.import_module(f"services.{service}")
    for each in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(each.name)
    looked_at: set[str] = set()
    ahead = [f"{package.__name__}.wiring"]
    while ahead:
        module = importlib.import_module(ahead.pop())
        if module.__name__.startswith("adapters."):
            yield module
        used = {str(getattr(each, "__module__", "")) for each in vars(module).values()}
        fresh = {each for each in used if each.startswith("adapters.")} - looked_at
        looked_at |= fresh
        ahead += fresh


def _among(module: ModuleType) -> Iterator[Any]:
    """What a module has names for; of use cases one by one also where there is a table of them."""
    for each in vars(module).values():
        if isinstance(each, Mapping) and module.__name__.startswith("services."):
            yield from each.values()
        else:
            yield each
