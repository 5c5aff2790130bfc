"""Shopify's search syntax, as far as an app of ours uses it: terms that all have to hold."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar

from infra.demo_shop.admin.api.refusals import unknown

Searchable = Callable[[Any], Any]
"""What of a thing is compared: text, a number, an instant, a truth, or several of these."""

_Item = TypeVar("_Item")
_TERM: Final = re.compile(
    r"""\s*(?P<no>-|NOT\s+)?(?P<name>\w+):(?P<how>>=|<=|>|<|=)?"""
    r"""(?:'(?P<one>[^']*)'|"(?P<two>[^"]*)"|(?P<bare>[^\s()]+))\s*(?:AND\s+)?"""
)
_WORD: Final = re.compile(r"\s*(?P<word>\w+)(?![\w:])")
DEFAULT: Final = "default"
"""What a word without a name is searched in."""


def matching(
    items: Iterable[_Item], query: str | None, known: Mapping[str, Searchable]
) -> list[_Item]:
    """Shopify ignores what it does not understand; here that is an error, which is easier to find.
    Raises GraphQLError."""
    tests = list(_tests(query or "", known))
    return [each for each in items if all(test(each) for test in tests)]


def _tests(query: str, known: Mapping[str, Searchable]) -> Iterable[Callable[[Any], bool]]:
    place = 0
    while query[place:].strip():
        if DEFAULT in known and (word := _WORD.match(query, place)):
            place = word.end()
            yield _test(known[DEFAULT], "=", word["word"], wanted=True)
            continue
        found = _TERM.match(query, place)
        if found is None or found["name"] not in known:
            raise unknown(f"how to search for {query[place:]!r}")
        place = found.end()
        given = found["one"] or found["two"] or found["bare"] or ""
        yield _test(known[found["name"]], found["how"] or "=", given, found["no"] is None)


def _test(of: Searchable, how: str, given: str, wanted: bool) -> Callable[[Any], bool]:
    def test(item: Any) -> bool:
        values = of(item)
        several = values if isinstance(values, list | tuple | set) else [values]
        return any(_holds(each, how, given) for each in several) is wanted

    return test


def _holds(value: Any, how: str, given: str) -> bool:
    if value is None:
        return False
    left, right = value, _like(value, given)
    if isinstance(value, str):
        left = value.casefold()
        if how == "=" and given.endswith("*"):
            return left.startswith(given[:-1].casefold())
    compared: dict[str, bool] = {
        "=": left == right,
        ">": left > right,
        ">=": left >= right,
        "<": left < right,
        "<=": left <= right,
    }
    return compared[how]


def _like(value: Any, given: str) -> Any:
    """What was given, as the same kind of thing."""
    try:
        if isinstance(value, bool):
            return given.casefold() == "true"
        if isinstance(value, datetime):
            at = datetime.fromisoformat(given)
            return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        if isinstance(value, int | Decimal):
            return Decimal(given)
    except (ValueError, InvalidOperation):
        raise unknown(f"how to compare with {given!r}") from None
    return given.casefold()
