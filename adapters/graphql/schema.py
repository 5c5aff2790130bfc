"""The GraphQL schema: a field for every operation with an HTTP binding, and what leads on.

``query { core { listMembers(input: {limit: 10}) { members { segment points { spendable } } } } }``

Reading operations are queries, grouped by service. The others are mutations, and those stand beside
each other: only there does GraphQL do one after the other. Each checks the same permission as over
HTTP and is answered by the same service.
"""

import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import Parameter, Signature
from typing import Any, Final, Optional, Union, get_origin
from uuid import UUID

import msgspec
import strawberry
from graphql import GraphQLError
from strawberry.dataloader import DataLoader
from strawberry.extensions import AddValidationRules
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext
from strawberry.types.info import Info

from adapters.graphql.limits import Prices, limiting
from adapters.graphql.relations import RELATIONS, Batch, Relation
from adapters.graphql.types import LONG, Long, Types, encode, type_name
from adapters.http.operations import RawMesh
from contracts.caller import Caller
from contracts.frontend import File
from contracts.kit import PUBLIC, BadContract, Idempotency, Operation, Registry, Request
from contracts.permissions import check_permission

AnyOperation = Operation[Request, msgspec.Struct]

_QUERY: Final = "Query"
_MUTATION: Final = "Mutation"
_ADMIN: Final = "/admin/"
_MOST_IDS: Final = 250
_PARENT: Final[Any] = strawberry.Parent[Any]  # type: ignore[misc]  # generic at run time alone


@dataclass(slots=True)
class Asking:
    """One GraphQL request: who asks, and what was asked for many at once."""

    caller: Caller
    mesh: RawMesh
    loaders: dict[str, DataLoader[UUID, Any]] = field(default_factory=dict)

    async def call(self, operation: AnyOperation, payload: bytes, idempotency_key: str = "") -> Any:
        check_permission(operation, self.caller)
        answer = await self.mesh.call_raw(
            operation.name,
            payload,
            self.caller,
            idempotency_key=idempotency_key,
            deadline=operation.deadline,
        )
        return msgspec.json.decode(answer, type=operation.response)

    def loader(self, batch: Batch[Any, Any, Any]) -> DataLoader[UUID, Any]:
        """Gathers the ids that one level of the query asks for into one call."""
        name = batch.operation.name
        if name not in self.loaders:

            async def load(ids: Sequence[UUID]) -> list[Any]:
                answer = await self.call(batch.operation, msgspec.json.encode(batch.ask(ids)))
                found = batch.found(answer)
                return [found.get(each) for each in ids]

            self.loaders[name] = DataLoader(load, max_batch_size=_MOST_IDS)
        return self.loaders[name]


class Schema(strawberry.Schema):
    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Refusals are answers and no faults; the others are logged where they are answered."""


def make_schema(registry: Registry) -> Schema:
    """The schema of all operations that a shop or a member may reach over HTTP."""
    more: dict[type, dict[str, Callable[[], Any]]] = defaultdict(dict)
    types = Types(more)
    prices = Prices()
    for relation in RELATIONS:
        more[relation.of][relation.name] = _leading_on(types, relation)
        prices.relation(type_name(relation.of), _camel(relation.name))
    queries: dict[str, dict[str, Any]] = defaultdict(dict)
    mutations: dict[str, Any] = {}
    for operation in registry.operations.values():
        if not _is_offered(operation):
            continue
        name = _field_name(operation)
        if operation.idempotency is Idempotency.SAFE:
            queries[operation.service][name] = _asking(types, operation)
            prices.operation(_group_name(operation.service), _camel(name), operation.request)
        elif name in mutations:
            raise BadContract(f"two services have a {name} that changes something")
        else:
            mutations[name] = _asking(types, operation)
            prices.operation(_MUTATION, _camel(name), operation.request)
    groups = {
        service: strawberry.field(resolver=_entered(_type(_group_name(service), fields)))
        for service, fields in sorted(queries.items())
    }
    return Schema(
        query=_type(_QUERY, groups),
        mutation=_type(_MUTATION, mutations),
        config=StrawberryConfig(scalar_map={Long: LONG}),
        extensions=[lambda: AddValidationRules([limiting(prices)])],
    )


def _is_offered(operation: AnyOperation) -> bool:
    """Pages and log-ins have nothing to do here; LoyalNest's own staff has an address of its own,
    behind its own wall."""
    return (
        operation.http is not None
        and operation.permission != PUBLIC
        and not operation.permission.startswith("admin:")
        and not operation.http.path.startswith(_ADMIN)
        and operation.response is not File
    )


def _field_name(operation: AnyOperation) -> str:
    verb = operation.name.rpartition(".")[2]
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", verb).lower()


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _group_name(service: str) -> str:
    return "".join(part.capitalize() for part in service.split("_")) + _QUERY


def _asking(types: Types, operation: AnyOperation) -> Any:
    """The field of an operation: one argument with its request, and a key where value moves."""

    async def resolve(info: Info[Asking, None], **arguments: Any) -> Any:
        payload = encode(arguments.get("input"))
        return await info.context.call(operation, payload, arguments.get("idempotency_key", ""))

    fields = msgspec.structs.fields(operation.request)
    arguments: dict[str, Any] = {}
    if fields:
        asked = types.input(operation.request)
        needed = any(each.required for each in fields)
        arguments["input"] = asked if needed else Optional[asked]  # noqa: UP045 - made at run time
    if operation.idempotency is Idempotency.KEY:
        arguments["idempotency_key"] = str
    return strawberry.field(
        resolver=_signed(resolve, arguments, types.output(operation.response)),
        description=operation.summary,
    )


def _leading_on(types: Types, relation: Relation) -> Callable[[], Any]:
    """Makes the field of a relation, once the types it leads to and fro can be made."""

    async def resolve(info: Info[Asking, None], root: Any) -> Any:
        return await info.context.loader(relation.batch).load(getattr(root, relation.key))

    def make() -> Any:
        answer = types.output(relation.batch.item)
        return strawberry.field(
            resolver=_signed(resolve, {"root": _PARENT}, answer),
            description=relation.summary,
        )

    return make


def _signed(
    resolve: Callable[..., Awaitable[Any]], arguments: Mapping[str, Any], answer: Any
) -> Callable[..., Awaitable[Any]]:
    """``resolve`` with the signature that Strawberry reads. Every answer may be null: one that is
    refused leaves the others as they are."""

    async def signed(**given: Any) -> Any:
        return await resolve(**given)

    annotations = {"info": Info[Asking, None], **arguments}
    signed.__signature__ = Signature(  # type: ignore[attr-defined]  # what inspect looks for first
        [
            Parameter(
                name,
                Parameter.KEYWORD_ONLY,
                annotation=kind,
                default=None if get_origin(kind) is Union else Parameter.empty,
            )
            for name, kind in annotations.items()
        ],
        return_annotation=Optional[answer],  # noqa: UP045 - made at run time
    )
    signed.__annotations__ = annotations | {"return": Optional[answer]}  # noqa: UP045 - as above
    return signed


def _type(name: str, fields: Mapping[str, Any]) -> Any:
    return strawberry.type(type(name, (), {"__annotations__": {}, **fields}), name=name)


def _entered(group: Any) -> Callable[[], Any]:
    """What answers a field that only leads to the fields of a service."""

    def enter() -> Any:
        return group()

    enter.__annotations__ = {"return": group}
    return enter
