"""The JSON Schema of everything that travels, each type under one name that stays the same."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from inspect import cleandoc
from typing import Any, Final

import msgspec
from msgspec import inspect

from contracts.kit import BadContract

Schema = dict[str, Any]
"""JSON Schema is data without a fixed shape."""

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_LOCAL: Final = "#/$defs/"


class Schemas:
    """The schemas of ``types`` and of all they are made of.

    ``points.Balance`` is the struct ``Balance`` of ``contracts/points.py``; types of the domain
    go by their bare name.
    """

    def __init__(self, types: Iterable[type]) -> None:
        wanted = sorted(set(types), key=lambda cls: (cls.__module__, cls.__qualname__))
        _, components = msgspec.json.schema_components(wanted, ref_template=_LOCAL + "{name}")
        names: dict[str, str] = {}
        for cls in _classes(inspect.multi_type_info(wanted), set()):
            full = f"{cls.__module__}.{cls.__qualname__}"
            given = full if full in components else cls.__name__
            name = name_of(cls)
            if names.setdefault(given, name) != name or list(names.values()).count(name) > 1:
                raise BadContract(f"two types go by the name {name}")

        def renamed(reference: str) -> str:
            return _LOCAL + names[reference.removeprefix(_LOCAL)]

        self.definitions: Mapping[str, Schema] = {
            names[given]: _tidy(rewritten(components[given], renamed))
            for given in sorted(components, key=lambda each: names[each])
        }

    def document(self, cls: type) -> Schema:
        """The schema of one type that stands alone, with what it needs under ``$defs``."""
        name = name_of(cls)
        needed = sorted(self._needed(name, {name}) - {name})
        document: Schema = {"$schema": DRAFT} | self.definitions[name]
        if needed:
            document["$defs"] = {each: self.definitions[each] for each in needed}
        return document

    def components(self, types: Iterable[type]) -> dict[str, Schema]:
        """The schemas of ``types`` and what they need, as ``#/components/schemas`` has them."""
        names: set[str] = set()
        for cls in types:
            name = name_of(cls)
            names |= self._needed(name, {name})
        return {name: rewritten(self.definitions[name], _component) for name in sorted(names)}

    def _needed(self, name: str, found: set[str]) -> set[str]:
        for reference in references(self.definitions[name]):
            inner = reference.removeprefix(_LOCAL)
            if inner not in found:
                found.add(inner)
                self._needed(inner, found)
        return found


def name_of(cls: type) -> str:
    """What a type is called in every document."""
    layer, _, module = cls.__module__.partition(".")
    return f"{module}.{cls.__name__}" if layer == "contracts" else cls.__name__


def component(cls: type) -> Schema:
    """A reference to the schema of ``cls`` from within OpenAPI or AsyncAPI."""
    return {"$ref": f"#/components/schemas/{name_of(cls)}"}


def describe(thing: object) -> str:
    """The docstring of ``thing`` itself, without indentation."""
    return cleandoc(vars(thing).get("__doc__") or "")


def references(node: object) -> Iterator[str]:
    """Every ``$ref`` in a schema."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for each in node.values():
            yield from references(each)
    elif isinstance(node, list):
        for each in node:
            yield from references(each)


def rewritten(node: Any, change: Callable[[str], str]) -> Any:
    """A copy in which every ``$ref`` is changed."""
    if isinstance(node, dict):
        return {
            key: change(value) if key == "$ref" else rewritten(value, change)
            for key, value in node.items()
        }
    if isinstance(node, list | tuple):
        return [rewritten(each, change) for each in node]
    return node


def _component(reference: str) -> str:
    return reference.replace(_LOCAL, "#/components/schemas/")


def _tidy(schema: Schema) -> Schema:
    if "description" in schema:
        schema["description"] = cleandoc(schema["description"])
    return schema


def _classes(node: object, seen: set[type]) -> Iterator[type]:
    """Every class that msgspec gives a schema of its own, however deep in a type it is."""
    if isinstance(node, tuple):
        for each in node:
            yield from _classes(each, seen)
    elif isinstance(node, inspect.Field):
        yield from _classes(node.type, seen)
    elif isinstance(node, inspect.Type):
        cls = getattr(node, "cls", None)
        if cls in seen:
            return
        if cls is not None:
            seen.add(cls)
            yield cls
        for name in node.__struct_fields__:
            yield from _classes(getattr(node, name), seen)
