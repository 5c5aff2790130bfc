"""One plausible value for a schema, the same every time, so that documents show what is meant."""

from collections.abc import Mapping
from typing import Any, Final

from contracts.generate.schemas import Schema

_BY_FORMAT: Final[Mapping[str, str]] = {
    "uuid": "01985a3c-7d52-7c4e-9b1f-2f6d8c0e4a11",
    "date-time": "2026-05-01T12:00:00Z",
    "date": "1990-05-01",
    "decimal": "49.90",
}

_BY_NAME: Final[Mapping[str, Any]] = {
    "code": "ANNA-7K2P",
    "currency": "EUR",
    "direction": "ltr",
    "email": "anna@example.com",
    "first_name": "Anna",
    "kind": "points_earned",
    "language": "en",
    "month": "2026-05",
    "name": "support",
    "period": "month",
    "permissions": ["customers:read"],
    "phone": "+491701234567",
    "plan": "free",
    "points": 100,
    "reason": "Thank you for your patience",
    "role": "viewer",
    "segment": "champions",
    "shop_domain": "demo-store.myshopify.com",
    "shopify_customer_id": "6940095564017",
    "tier": "Gold",
    "time_zone": "Europe/Berlin",
    "title": "Linen shirt",
}
"""For fields of these names, where the type agrees."""

_BY_TYPE: Final[Mapping[str, Any]] = {
    "string": "text",
    "integer": 3,
    "number": 1.5,
    "boolean": True,
    "null": None,
}


def example(
    schema: Schema, definitions: Mapping[str, Schema], *, whole: bool, name: str = ""
) -> Any:
    """A value that fits ``schema``. ``whole``: with the fields that may be left out."""
    if "$ref" in schema:
        target = definitions[schema["$ref"].rpartition("/")[2]]
        return example(target, definitions, whole=whole, name=name)
    if "anyOf" in schema:
        return example(schema["anyOf"][0], definitions, whole=whole, name=name)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        required = schema.get("required", ())
        return {
            field: example(inner, definitions, whole=whole, name=field)
            for field, inner in schema.get("properties", {}).items()
            if whole or field in required
        }
    if "prefixItems" in schema:
        return [example(each, definitions, whole=whole) for each in schema["prefixItems"]]
    if kind == "array":
        known = _BY_NAME.get(name)
        if isinstance(known, list):
            return known
        return [example(schema["items"], definitions, whole=whole)]
    if "format" in schema:
        return _BY_FORMAT[schema["format"]]
    return _scalar(str(kind), name)


def _scalar(kind: str, name: str) -> Any:
    usual = _BY_TYPE[kind]
    known = _BY_NAME.get(name, usual)
    return known if type(known) is type(usual) else usual
