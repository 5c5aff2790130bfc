"""Every contract of the mesh in one place, checked on import: a bad one does not start."""

import re
from collections.abc import Iterable
from importlib import import_module
from typing import Final

import msgspec

import domain.errors
from contracts.kit import (
    AUTHENTICATED,
    INTERNAL,
    PUBLIC,
    BadContract,
    Body,
    Contracts,
    Event,
    Operation,
    Registry,
    Request,
    Webhook,
)
from domain.errors import LoyaltyError
from domain.rbac import ADMIN, is_permission

MODULES: Final = (
    "activities",
    "admin_core",
    "admin_features",
    "admins",
    "api_gateway",
    "auth",
    "campaign",
    "clearing",
    "core",
    "event_tracking",
    "expiry",
    "frontend",
    "gamification",
    "impersonations",
    "imports",
    "installs",
    "keys",
    "liability",
    "organizations",
    "points",
    "pos",
    "products",
    "referrals",
    "rewards",
    "rfm",
    "roles",
    "sessions",
    "shop",
    "suspensions",
    "simulations",
    "statements",
    "users",
)

_NAME: Final = re.compile(r"[a-z_]+\.v[1-9][0-9]*\.[A-Z][A-Za-z0-9]+")
_PATH_PARAMETER: Final = re.compile(r"{([a-z_]+)(?::path)?}")


def build(parts: Iterable[Contracts]) -> Registry:
    """All declarations, checked. Raises BadContract, naming the first that must not start."""
    operations: dict[str, Operation[Request, msgspec.Struct]] = {}
    events: dict[str, Event[Body]] = {}
    webhooks: dict[str, Webhook] = {}
    routes: set[tuple[str, str]] = set()
    for part in parts:
        for operation in part.operations:
            _check_operation(operation)
            if operation.name in operations:
                raise BadContract(f"{operation.name} is declared twice")
            operations[operation.name] = operation
            if operation.http is not None:
                route = (operation.http.method, operation.http.path)
                if route in routes:
                    raise BadContract(f"{' '.join(route)} is bound twice")
                routes.add(route)
        for event in part.events:
            if event.topic in events:
                raise BadContract(f"{event.topic} is declared twice")
            events[event.topic] = event
        for webhook in part.webhooks:
            webhooks[webhook.topic] = webhook
    return Registry(operations, events, webhooks)


def _check_operation(operation: Operation[Request, msgspec.Struct]) -> None:
    name = operation.name
    if not _NAME.fullmatch(name):
        raise BadContract(f"{name} is not named <service>.v<major>.<Verb>")
    if not operation.permission:
        raise BadContract(f"{name} names no permission")
    special = operation.permission in (PUBLIC, AUTHENTICATED, INTERNAL)
    if not special and not is_permission(operation.permission):
        raise BadContract(f"{name} needs {operation.permission!r}, which is no permission")
    if operation.http is None:
        return
    if operation.permission == INTERNAL:
        raise BadContract(f"{name} is internal and has an HTTP binding")
    fields = set(operation.request.__struct_fields__)
    if missing := set(_PATH_PARAMETER.findall(operation.http.path)) - fields:
        raise BadContract(f"{name} has no field for {sorted(missing)} of its path")
    if operation.http.bearer and (
        fields != {operation.http.bearer} or operation.permission != PUBLIC
    ):
        raise BadContract(f"{name} takes a token of others: it is public and takes nothing else")
    if "merchant_id" in fields and operation.permission not in ADMIN:
        raise BadContract(f"{name} takes a merchant id from outside; it comes from the token")


def _errors(registry: Registry) -> dict[str, type[LoyaltyError]]:
    known = [each for each in vars(domain.errors).values() if isinstance(each, type)]
    found = {each.code: each for each in known if issubclass(each, LoyaltyError)}
    for operation in registry.operations.values():
        found |= {each.code: each for each in operation.errors}
    return found


REGISTRY: Final = build(import_module(f"contracts.{name}").CONTRACTS for name in MODULES)
ERRORS: Final = _errors(REGISTRY)
"""Every error that can be answered anywhere, by its slug."""
