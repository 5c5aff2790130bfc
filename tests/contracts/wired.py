"""A service as its wiring makes it, without a server: nothing here connects to anything."""

import ast
import asyncio
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import services
from adapters.crypto.keyring import Keyring
from adapters.crypto.organization_keys import MeshOrganizationKeys
from adapters.runtime.resealing import resealed
from adapters.runtime.service import Service
from adapters.runtime.shopify_admin import admin_client
from adapters.runtime.world import World
from adapters.shopify.admin.access import ShopAccess
from adapters.shopify.admin.client import AdminClient
from contracts.kit import Body, Event, Operation
from infra.mesh.reading import unconnected

HOME = Path(services.__file__).parent


def wire(name: str, folder: Path, world: type[World] = World) -> Service:
    """One service, wired in a ``world``; ``folder`` takes the keys it reads."""

    async def wiring() -> Service:
        wired = importlib.import_module(f"services.{name}.wiring").service(
            unconnected(folder, world)
        )
        assert isinstance(wired, Service)
        return wired

    return asyncio.run(wiring())


def wiring_of(service: str) -> Mapping[str, Any]:
    """What the wiring of a service uses, by name."""
    return vars(importlib.import_module(f"services.{service}.wiring"))


def consumed(service: Service) -> set[str]:
    """Topics of the events a service takes from the others."""
    return {
        event.topic
        for consumes in service.consumes
        for event in consumes.events
        if event.prefix in ("evt", "shop")  # the others are queues of the service itself
    }


def mentioned_events(service: str) -> set[str]:
    """Topics of all events that a service's use cases name."""
    return {
        each.topic
        for module, tree in _use_cases(service)
        for node in ast.walk(tree)
        if isinstance(each := _meaning(module, node), Event)
    }


def emitted_events(service: str) -> Iterator[tuple[str, Event[Body]]]:
    """(place, event) for every ``emit`` of a service that names its event outright."""
    for module, tree in _use_cases(service):
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "emit"
                and isinstance(event := _meaning(module, node.args[0]), Event)
            ):
                yield f"{module.__name__}:{node.lineno}", event


def called_operations(service: str) -> set[str]:
    """Names of all operations that a service's use cases, or adapters on their behalf, name: those
    they call."""
    use_cases = list(_use_cases(service))
    named = [
        _meaning(module, node)
        for module, tree in (*use_cases, *_spokesmen(service))
        for node in ast.walk(tree)
    ]
    # One of several, chosen when it is called.
    for module, _ in use_cases:
        for each in vars(module).values():
            named += each.values() if isinstance(each, Mapping) else ()
    return {each.name for each in named if isinstance(each, Operation)}


def read_names(service: str) -> set[str]:
    """Every attribute that a service's use cases, or ports and adapters on their behalf, read or
    match on."""
    names: set[str] = set()
    own = (tree for _, tree in (*_use_cases(service), *_spokesmen(service)))
    for tree in (*own, *_ports(), *_storage(service)):
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                names.add(node.attr)
            elif isinstance(node, ast.MatchClass):
                names.update(node.kwd_attrs)
    return names


@cache
def _ports() -> tuple[ast.Module, ...]:
    files = sorted((HOME.parent / "ports").glob("*.py"))
    return tuple(ast.parse(file.read_text(encoding="utf-8")) for file in files)


def _storage(service: str) -> Iterator[ast.Module]:
    wiring = importlib.import_module(f"services.{service}.wiring")
    modules = {getattr(each, "__module__", "") for each in vars(wiring).values()}
    for name in sorted(each for each in modules if each.startswith("adapters.postgres.")):
        file = HOME.parent.joinpath(*name.split(".")).with_suffix(".py")
        yield ast.parse(file.read_text(encoding="utf-8"))


def _spokesmen(service: str) -> Iterator[tuple[ModuleType, ast.Module]]:
    """The adapters that call other services, or listen to them, for the services that use them."""
    wiring = wiring_of(service)
    spokesmen: dict[object, Sequence[type | Callable[..., Any]]] = {
        Keyring: [Keyring],
        MeshOrganizationKeys: [MeshOrganizationKeys],
        resealed: [resealed],
        admin_client: [ShopAccess, AdminClient],
    }
    for used, speaking in spokesmen.items():
        for each in speaking if used in wiring.values() else ():
            module = importlib.import_module(each.__module__)
            assert module.__file__ is not None
            yield module, ast.parse(Path(module.__file__).read_text(encoding="utf-8"))


def _use_cases(service: str) -> Iterator[tuple[ModuleType, ast.Module]]:
    for file in sorted((HOME / service).rglob("*.py")):
        if file.stem != "wiring":
            path = file.relative_to(HOME.parent).with_suffix("")
            module = importlib.import_module(".".join(path.parts).removesuffix(".__init__"))
            yield module, ast.parse(file.read_text(encoding="utf-8"))


def _meaning(module: ModuleType, node: ast.AST) -> Any:
    """What a name, or an attribute of a name, of ``module`` stands for; None if that is not
    known before it runs."""
    if isinstance(node, ast.Name):
        return vars(module).get(node.id)
    if isinstance(node, ast.Attribute):
        return getattr(_meaning(module, node.value), node.attr, None)
    return None
