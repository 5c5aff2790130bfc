"""Watching what is sent to MongoDB: every command says whose documents it is about."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from adapters.mongo.collections import OF_POINTS

_WORK: Final = frozenset({"find", "insert", "update", "delete", "aggregate"})
_OTHERS: Final = frozenset(
    {
        "hello", "ping", "endSessions", "commitTransaction", "abortTransaction", "getMore",
        "create", "collMod", "createIndexes", "listCollections", "killCursors", "saslStart",
    }
)  # fmt: skip
_OF_NO_SHOP: Final = frozenset(each.name for each in OF_POINTS if each.no_shop)
_SWEPT: Final = {each.name: frozenset(each.swept) for each in OF_POINTS}


class ShopsNamed(CommandListener):
    """Collects commands that name no shop; those of loops, which look through all, are known by
    what they ask for (``Collection.swept``)."""

    def __init__(self) -> None:
        self.nameless: list[str] = []
        self.seen: set[tuple[str, str]] = set()
        self.swept: set[str] = set()

    def started(self, event: CommandStartedEvent) -> None:
        name, command = event.command_name, event.command
        if name not in _WORK:
            if name not in _OTHERS:
                self.nameless.append(f"{name} is not known to this test")
            return
        collection = str(command[name])
        self.seen.add((collection, name))
        if collection in _OF_NO_SHOP:
            return
        for asked in _asked(name, command):
            if _names_shop(asked):
                continue
            if name == "find" and set(asked) <= _SWEPT.get(collection, frozenset()):
                self.swept.add(collection)
                continue
            self.nameless.append(f"{name} of {collection} by {sorted(asked)}")

    def check(self) -> None:
        """Raises AssertionError if there was such a command."""
        assert not self.nameless, self.nameless[:5]

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Only what is asked matters here."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Only what is asked matters here."""


def _asked(name: str, command: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    match name:
        case "find":
            return [command["filter"]]
        case "insert":
            return list(command["documents"])
        case "update":
            return [each["q"] for each in command["updates"]]
        case "delete":
            return [each["q"] for each in command["deletes"]]
        case _:
            return [command["pipeline"][0]["$match"]]


def _names_shop(asked: Mapping[str, Any]) -> bool:
    """Whether nothing of more shops than are named can be meant."""
    if "merchant_id" in asked:
        return True
    branches = asked.get("$or", ())
    return bool(branches) and all(map(_names_shop, branches))
