"""What changed between two states of the contracts that breaks who relies on them."""

from collections.abc import Collection, Iterator, Mapping
from enum import Enum
from typing import Any, NamedTuple

from contracts.generate.documents import Documents
from contracts.generate.schemas import Schema


class Way(Enum):
    """Who reads a schema decides which changes hurt: those who send, or those who read."""

    REQUEST = "request"
    RESPONSE = "response"
    EVENT = "body"


class _Node(NamedTuple):
    """A schema and the definitions its references mean."""

    schema: Schema
    definitions: Mapping[str, Schema]

    def at(self, schema: Schema) -> "_Node":
        return _Node(schema, self.definitions)


def breaking(old: Documents, new: Documents, retired: Collection[str] = ()) -> list[str]:
    """One line for everything in ``new`` that breaks who was built on ``old``.

    ``retired`` names the operations and events that were taken away on purpose.
    """
    before, after = old.get("operations.json", {}), new["operations.json"]
    lines: list[str] = []
    for name, was in before.get("operations", {}).items():
        if name not in retired:
            lines += _operation(name, was, after["operations"].get(name), old, new)
    for topic, was in before.get("events", {}).items():
        if topic in retired:
            continue
        now = after["events"].get(topic)
        if now is None:
            lines.append(f"event {topic} was removed")
        else:
            lines += differences(topic, Way.EVENT, old[was["body"]], new[now["body"]])
    for topic, event in before.get("webhooks", {}).items():
        if topic not in after["webhooks"] and event not in retired:
            lines.append(f"webhook {topic} is no longer taken")
    for code, was in before.get("errors", {}).items():
        now = after["errors"].get(code)
        if now is not None and now["status"] != was["status"]:
            lines.append(f"error {code} became {now['status']}, it was {was['status']}")
    return lines


def _operation(
    name: str, was: Schema, now: Schema | None, old: Documents, new: Documents
) -> Iterator[str]:
    if now is None:
        yield f"operation {name} was removed"
        return
    if was["permission"] != now["permission"]:
        yield f"{name} needs {now['permission']!r}, it needed {was['permission']!r}"
    if was["http"] is not None and was["http"] != now["http"]:
        yield f"{name} is at {_route(now['http'])}, it was at {_route(was['http'])}"
    if now["idempotency"] == "key" and was["idempotency"] != "key":
        yield f"{name} needs an idempotency key, it needed none"
    for code in sorted(set(was["errors"]) - set(now["errors"])):
        yield f"{name} no longer answers {code}"
    yield from differences(name, Way.REQUEST, old[was["request"]], new[now["request"]])
    yield from differences(name, Way.RESPONSE, old[was["response"]], new[now["response"]])


def _route(http: Schema | None) -> str:
    return "nowhere" if http is None else f"{http['method']} {http['path']} ({http['status']})"


def differences(name: str, way: Way, old: Schema, new: Schema) -> list[str]:
    """One line for everything in the schema ``new`` that breaks who was built on ``old``."""
    old_root, new_root = (_Node(each, each.get("$defs", {})) for each in (old, new))
    return [f"{name} {way.value} {line}" for line in _compare("", way, old_root, new_root)]


def _compare(place: str, way: Way, old: _Node, new: _Node) -> Iterator[str]:
    """Differences by JSON pointer. Names of types do not matter, only what they are made of."""
    was, now = _alternatives(old), _alternatives(new)
    gone, come = was.keys() - now.keys(), now.keys() - was.keys()
    # Taking more than before harms no sender, saying less than before no reader.
    if gone if way is Way.REQUEST else come:
        yield f"{place or '/'} is {_either(now)}, it was {_either(was)}"
        return
    for kind in sorted(was.keys() & now.keys()):
        before, after = was[kind], now[kind]
        yield from _values(place, way, before.schema, after.schema)
        yield from _fields(place, way, before, after)
        yield from _items(place, way, before, after)


def _fields(place: str, way: Way, old: _Node, new: _Node) -> Iterator[str]:
    was, now = old.schema.get("properties", {}), new.schema.get("properties", {})
    old_required, new_required = (set(each.schema.get("required", ())) for each in (old, new))
    for name, schema in was.items():
        if name not in now:
            yield f"{place}/{name} was removed"
            continue
        yield from _compare(f"{place}/{name}", way, old.at(schema), new.at(now[name]))
        if way is Way.REQUEST and name in new_required - old_required:
            yield f"{place}/{name} is required, it was not"
        if way is Way.EVENT and name in old_required - new_required:
            yield f"{place}/{name} may be left out, it was always there"
    for name in now:
        if name not in was and name in new_required:
            yield f"{place}/{name} is new and has no default"


def _items(place: str, way: Way, old: _Node, new: _Node) -> Iterator[str]:
    was, now = _parts(old.schema), _parts(new.schema)
    if was.keys() != now.keys():
        yield f"{place or '/'} has another shape"
        return
    for name, schema in was.items():
        yield from _compare(f"{place}/{name}", way, old.at(schema), new.at(now[name]))


def _parts(schema: Schema) -> dict[str, Schema]:
    """The schemas of what a list or a map holds."""
    parts = {str(at): each for at, each in enumerate(schema.get("prefixItems", ()))}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            parts["*"] = schema[key]
    return parts


def _alternatives(node: _Node) -> dict[str, _Node]:
    """What a value may be, by kind, with references followed."""
    schema: Any = node.schema
    if "$ref" in schema:
        return _alternatives(node.at(node.definitions[schema["$ref"].rpartition("/")[2]]))
    if "anyOf" in schema:
        found: dict[str, _Node] = {}
        for each in schema["anyOf"]:
            found |= _alternatives(node.at(each))
        return found
    if "enum" in schema:
        return {"string": node}
    parts = (schema.get("type", "anything"), schema.get("format"), schema.get("contentEncoding"))
    return {" ".join(each for each in parts if each): node}


def _either(kinds: Mapping[str, object]) -> str:
    return " or ".join(sorted(kinds))


def _values(place: str, way: Way, old: Schema, new: Schema) -> Iterator[str]:
    """A value less breaks whoever sends it or waits for it. One more is allowed: who reads an
    enumeration has to expect it."""
    was, now = old.get("enum"), new.get("enum")
    if was is not None and now is not None:
        if lost := set(was) - set(now):
            yield f"{place or '/'} can no longer be {', '.join(sorted(lost))}"
    elif was is None and now is not None and way is Way.REQUEST:
        yield f"{place or '/'} is one of {', '.join(now)}, it was any text"
    elif was is not None and now is None and way is not Way.REQUEST:
        yield f"{place or '/'} is any text, it was one of {', '.join(was)}"
