"""The schema that is kept is Shopify's, without what only people read."""

import gzip
from typing import Any

import msgspec
import pytest
from graphql import (
    GraphQLInputObjectType,
    build_client_schema,
    build_schema,
    introspection_from_schema,
    print_schema,
)

from adapters.shopify.version import API_VERSION
from infra.demo_shop.admin.schema import FILE, Taken, admin_schema, scopes_of
from infra.demo_shop.admin.schema.take import take

SDL = '''
"""Where queries start."""
type Query {
  "Of all there are."
  orders(first: Int = 5, old: Int @deprecated(reason: "New one.")): [Order!]!
}

type Order implements Node {
  id: ID!
  status: Status @deprecated(reason: "Gone.")
}

interface Node {
  id: ID!
}

enum Status {
  OPEN
  "Over."
  CLOSED @deprecated(reason: "No longer supported")
}
'''


def published(**more: Any) -> bytes:
    introspection = introspection_from_schema(build_schema(SDL), input_value_deprecation=True)
    items = [
        {"typeName": "Order", "offlineScopes": ["read_orders"], "type": "type"},
        {"typeName": "Order", "fieldName": "id", "offlineScopes": []},
        {"typeName": "Order", "fieldName": "status", "offlineScopes": ["read_status", "write_it"]},
    ]
    file = {"data": introspection, "offline_scopes": {"items": items}} | more
    return gzip.compress(msgspec.json.encode(file))


def test_what_is_taken_means_the_same() -> None:
    taken = msgspec.json.decode(gzip.decompress(take(published())), type=Taken)
    introspection: Any = taken.introspection
    schema = print_schema(build_client_schema(introspection))
    bare = "".join(line for line in SDL.splitlines(keepends=True) if '"""' not in line)
    without = bare.replace('  "Of all there are."\n', "").replace('  "Over."\n', "")
    assert schema == print_schema(build_schema(without))
    assert "Of all there are" not in str(introspection)
    assert taken.scopes == {"Order": ("read_orders",), "Order.status": ("read_status", "write_it")}


def test_the_same_file_gives_the_same_bytes() -> None:
    assert take(published()) == take(published())


def test_another_file_is_not_taken() -> None:
    with pytest.raises(msgspec.ValidationError):
        take(published(data={"types": []}))


def test_the_schema_is_shopifys_of_our_version() -> None:
    assert API_VERSION in FILE
    schema = admin_schema()
    assert len(schema.type_map) > 3_500
    subscription = schema.type_map["WebhookSubscriptionInput"]
    assert isinstance(subscription, GraphQLInputObjectType)
    assert subscription.fields["callbackUrl"].deprecation_reason == "Use `uri` instead."
    assert scopes_of("Mutation.discountCodeBasicCreate") == ("write_discounts",)
    assert scopes_of("Customer") == ("read_customers",)
    assert scopes_of("Shop.name") == ()
