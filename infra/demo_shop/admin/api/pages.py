"""Connections: a page of a list, by cursors that hold when the list changes."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from infra.demo_shop.admin.api.refusals import bad_request, unknown
from infra.demo_shop.admin.api.search import Searchable, matching
from infra.demo_shop.admin.api.views import Arguments, Ask, View

if TYPE_CHECKING:
    from infra.demo_shop.admin.api.shop import Shop

MOST: Final = 250
_BY_NUMBER: Final = ("ID", "RELEVANCE", "POSITION", "COLLECTION_DEFAULT")
"""Sort keys by which things come as they were made, here."""
_Item = TypeVar("_Item")


def _not_by_number(_: object, __: str) -> None:
    """Of things that are only ever seen inside of others."""


class Listing(NamedTuple):
    """How things of a kind are shown, listed and found. ``number`` is what the id of one ends in,
    by which they are sorted where nothing else is asked for; ``find`` gets one by it. ``sorts`` are
    by the API's sort keys and give text or numbers, ``search`` by the names in a ``query``."""

    type: str
    view: Callable[[Any], View]
    number: Callable[[Any], int]
    find: "Callable[[Shop, str], Any]" = _not_by_number
    sorts: Mapping[str, Callable[[Any], Any]] = {}
    search: Mapping[str, Searchable] = {}


def connection(ask: Ask, args: Arguments, items: Iterable[_Item], how: Listing) -> View:
    """Of all ``items`` those that are asked for. Raises GraphQLError for a page that Shopify would
    not give, or a search that the demo shop does not know."""
    _check(ask, args)
    sort_key = args.get("sortKey") or "ID"
    if sort_key not in _BY_NUMBER and sort_key not in how.sorts:
        raise unknown(f"how to sort {how.type} by {sort_key}")
    by: Callable[[Any], Any] = how.sorts.get(sort_key, how.number)

    def place(item: _Item) -> list[Any]:
        return [by(item), how.number(item)]

    backwards = bool(args.get("reverse"))
    found = sorted(matching(items, args.get("query"), how.search), key=place, reverse=backwards)
    if ask.bulk:
        return _page(how, found, place, before=False, after=False)
    chosen = found
    if (cursor := args.get("after")) is not None:
        start = _place_of(cursor)
        chosen = [each for each in chosen if _beyond(place(each), start, backwards)]
    if (cursor := args.get("before")) is not None:
        end = _place_of(cursor)
        chosen = [each for each in chosen if _beyond(end, place(each), backwards)]
    if (first := args.get("first")) is not None:
        page = chosen[:first]
    else:
        page = chosen[-args["last"] :] if args["last"] else []
    return _page(
        how,
        page,
        place,
        before=bool(page) and place(page[0]) != place(found[0]),
        after=bool(page) and place(page[-1]) != place(found[-1]),
    )


def _check(ask: Ask, args: Arguments) -> None:
    first, last = args.get("first"), args.get("last")
    if first is None and last is None and not ask.bulk:
        raise bad_request("you must provide one of first or last")
    if first is not None and last is not None:
        raise bad_request("providing both first and last is not supported")
    for name, size in (("first", first), ("last", last)):
        if size is not None and not 0 <= size <= MOST:
            raise bad_request(f"The value of {name} cannot exceed {MOST}, and is {size}")


def _page(
    how: Listing,
    items: list[_Item],
    place: Callable[[_Item], list[Any]],
    *,
    before: bool,
    after: bool,
) -> View:
    nodes = [how.view(each) for each in items]
    cursors = [_cursor(place(each)) for each in items]
    edge = f"{how.type}Edge"
    edges = zip(cursors, nodes, strict=True)
    return View(
        f"{how.type}Connection",
        {
            "nodes": nodes,
            "edges": [View(edge, {"cursor": cursor, "node": node}) for cursor, node in edges],
            "pageInfo": View(
                "PageInfo",
                {
                    "hasNextPage": after,
                    "hasPreviousPage": before,
                    "startCursor": cursors[0] if cursors else None,
                    "endCursor": cursors[-1] if cursors else None,
                },
            ),
        },
    )


def _cursor(place: list[Any]) -> str:
    value, number = place
    return urlsafe_b64encode(json.dumps({"last_id": number, "last_value": value}).encode()).decode()


def _place_of(cursor: str) -> list[Any]:
    try:
        read = json.loads(urlsafe_b64decode(cursor))
        return [read["last_value"], read["last_id"]]
    except (ValueError, KeyError, TypeError):
        raise bad_request("Invalid cursor for current pagination sort.") from None


def _beyond(place: list[Any], start: list[Any], backwards: bool) -> bool:
    try:
        return place < start if backwards else place > start
    except TypeError:  # a cursor of another order
        raise bad_request("Invalid cursor for current pagination sort.") from None
