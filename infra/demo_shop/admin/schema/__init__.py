"""The schema of Shopify's Admin API, as Shopify publishes it: what may be asked, and by whom."""

import gzip
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec
from graphql import GraphQLSchema, build_client_schema

from adapters.shopify.version import API_VERSION

FILE: Final = f"admin_{API_VERSION}.json.gz"


class Taken(msgspec.Struct):
    """What ``take`` writes. ``scopes`` are access scopes by type or ``Type.field``: one of those
    named is needed to see it. What is not there needs none."""

    introspection: dict[str, Any]
    scopes: dict[str, tuple[str, ...]]


@cache
def _taken() -> Taken:
    packed = files(__package__).joinpath(FILE).read_bytes()
    return msgspec.json.decode(gzip.decompress(packed), type=Taken)


@cache
def admin_schema() -> GraphQLSchema:
    """All of the Admin API in the version that LoyalNest speaks, without descriptions.

    The first call takes a quarter of a second and 28 MB; whoever can, asks only when needed.
    Shopify's own schema breaks rules of the specification, so it is not checked against them.
    """
    # graphql-core's TypedDict cannot be told of data that was read.
    introspection: Any = _taken().introspection
    schema = build_client_schema(introspection, assume_valid=True)
    _taken().introspection = {}  # not needed again, and large
    return schema


def scopes_of(name: str) -> tuple[str, ...]:
    """One of these is needed for a type or ``Type.field``; empty where everybody may."""
    return _taken().scopes.get(name, ())
