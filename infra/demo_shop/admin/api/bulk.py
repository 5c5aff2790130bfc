"""Bulk operations: a query over all there is, answered with a file after a while."""

from dataclasses import replace
from datetime import timedelta
from secrets import token_hex
from typing import Any, Final

import msgspec

from infra.demo_shop.admin.api.bulk_lines import Shape, in_order
from infra.demo_shop.admin.api.documents import BadDocument, Document, read
from infra.demo_shop.admin.api.errors import UserError, done, refused
from infra.demo_shop.admin.api.execution import answer, taught_schema
from infra.demo_shop.admin.api.ids import number_in
from infra.demo_shop.admin.api.pages import Listing, connection
from infra.demo_shop.admin.api.records import BulkOperation
from infra.demo_shop.admin.api.shop import Shop
from infra.demo_shop.admin.api.views import Arguments, Ask, Resolver, View, gid, instant

_TYPE: Final = "BulkOperation"
_ERROR: Final = "BulkOperationUserError"
_KEPT: Final = timedelta(days=7)
_CANCELING: Final = timedelta(seconds=0.1)
_OVER: Final = ("COMPLETED", "FAILED", "CANCELED")
_MOST_FILES: Final = 20


def status(shop: Shop, operation: BulkOperation) -> str:
    now = shop.now()
    waits, runs = shop.bulk_takes
    if operation.cancelled_at is not None:
        return "CANCELED" if now >= operation.cancelled_at + _CANCELING else "CANCELING"
    if now < operation.created_at + waits:
        return "CREATED"
    if now < operation.created_at + waits + runs:
        return "RUNNING"
    return "FAILED" if operation.error else "COMPLETED"


def file_of(shop: Shop, number: str, secret: str) -> bytes | None:
    """What the ``url`` of an operation leads to, which is good for a week."""
    operation = shop.bulk.get(number)
    if operation is None or operation.secret != secret or status(shop, operation) != "COMPLETED":
        return None
    if shop.now() > operation.created_at + _KEPT:
        return None
    return operation.file


def _view(operation: BulkOperation) -> View:
    return View(
        _TYPE,
        {
            "id": gid(_TYPE, operation.number),
            "type": "QUERY",
            "query": operation.query,
            "createdAt": instant(operation.created_at),
            "status": lambda ask, _: status(ask.shop, operation),
            "completedAt": lambda ask, _: _completed_at(ask.shop, operation),
            "errorCode": lambda ask, _: operation.error if _failed(ask.shop, operation) else None,
            "objectCount": lambda ask, _: _so_far(ask.shop, operation, operation.objects),
            "rootObjectCount": lambda ask, _: _so_far(ask.shop, operation, operation.root_objects),
            "fileSize": lambda ask, _: _url(ask, operation) and str(len(operation.file)),
            "url": lambda ask, _: _url(ask, operation),
            "partialDataUrl": None,
        },
    )


def _failed(shop: Shop, operation: BulkOperation) -> bool:
    return status(shop, operation) == "FAILED"


def _completed_at(shop: Shop, operation: BulkOperation) -> str | None:
    if status(shop, operation) not in _OVER:
        return None
    waits, runs = shop.bulk_takes
    return instant(operation.cancelled_at or operation.created_at + waits + runs)


def _so_far(shop: Shop, operation: BulkOperation, total: int) -> str:
    """It grows while the operation is under way."""
    waits, runs = shop.bulk_takes
    until = operation.cancelled_at or shop.now()
    share = (until - operation.created_at - waits) / runs if runs else 1.0
    return str(int(total * min(max(share, 0.0), 1.0)))


def _url(ask: Ask, operation: BulkOperation) -> str | None:
    """None for an operation that found nothing, as at Shopify."""
    if status(ask.shop, operation) != "COMPLETED" or not operation.file:
        return None
    return f"{ask.base}/bulk-files/{operation.number}/{operation.secret}"


def _run(ask: Ask, args: Arguments) -> View:
    payload, shop = "BulkOperationRunQueryPayload", ask.shop
    error = _in_progress(shop)
    document: Document | None = None
    if error is None:
        document = _document(args["query"])
        if isinstance(document, UserError):
            error, document = document, None
    if document is None:
        return refused(payload, _ERROR, [] if error is None else [error], "bulkOperation")
    operation = BulkOperation(
        number=shop.numbers.next(),
        query=args["query"],
        secret=token_hex(16),
        created_at=ask.now,
    )
    _fill(ask, operation, document, grouped=bool(args.get("groupObjects")))
    for each in list(shop.bulk.values())[: 1 - _MOST_FILES]:
        each.file = b""
    shop.bulk.put(operation.number, operation)
    return done(payload, bulkOperation=_view(operation))


def _in_progress(shop: Shop) -> UserError | None:
    for each in shop.bulk.values():
        if status(shop, each) not in _OVER:
            message = (
                "A bulk query operation for this app and shop is already in progress: "
                f"{gid(_TYPE, each.number)}."
            )
            return UserError(None, message, "OPERATION_IN_PROGRESS")
    return None


def _document(query: str) -> Any:
    """What is to be run, or why it is not."""
    try:
        document = read(taught_schema(), query, None)
    except BadDocument as bad:
        message = f"Invalid bulk query: {bad.errors[0]['message']}"
        return UserError(("query",), message, "INVALID")
    problem = next(Shape(taught_schema(), document).problems(), None)
    return document if problem is None else UserError(("query",), problem, "INVALID")


def _fill(ask: Ask, operation: BulkOperation, document: Document, *, grouped: bool) -> None:
    """All of it at once: what takes time is only told later. Raises GraphQLError for what the demo
    shop does not know; what the app may not see fails the operation."""
    whole = replace(ask, bulk=True)
    result = answer(document, whole, ask.queries, {})
    for error in result.errors or ():
        if (error.extensions or {}).get("code") != "ACCESS_DENIED":
            raise error
        operation.error = "ACCESS_DENIED"
        return
    roots = Shape(taught_schema(), document).lines(result.data or {})
    lines = [msgspec.json.encode(each) for each in in_order(roots, grouped=grouped)]
    operation.file = b"".join(each + b"\n" for each in lines)
    operation.objects, operation.root_objects = len(lines), len(roots)


def _cancel(ask: Ask, args: Arguments) -> View:
    payload, error_type = "BulkOperationCancelPayload", "UserError"
    operation = ask.shop.bulk.get(number_in(args["id"], _TYPE))
    if operation is None:
        error = UserError(("id",), "Bulk operation does not exist")
        return refused(payload, error_type, [error], "bulkOperation")
    now_is = status(ask.shop, operation)
    if now_is in _OVER:
        message = f"A bulk operation cannot be canceled when it is {now_is.lower()}"
        return View(
            payload,
            {
                "bulkOperation": _view(operation),
                "userErrors": [View(error_type, {"field": None, "message": message})],
            },
        )
    operation.cancelled_at = operation.cancelled_at or ask.now
    return done(payload, bulkOperation=_view(operation))


BULK_OPERATIONS: Final = Listing(
    _TYPE,
    _view,
    lambda operation: operation.number,
    lambda shop, number: shop.bulk.get(number),
    {"CREATED_AT": lambda operation: operation.created_at.timestamp()},
)


def _list(ask: Ask, args: Arguments) -> View:
    search = {
        "id": lambda operation: operation.number,
        "operation_type": lambda _: "query",
        "status": lambda operation: status(ask.shop, operation),
        "created_at": lambda operation: operation.created_at,
    }
    how = BULK_OPERATIONS._replace(search=search)
    return connection(ask, args, ask.shop.bulk.values(), how)


def _current(ask: Ask, _: Arguments) -> View | None:
    newest = max(ask.shop.bulk.values(), key=lambda each: each.number, default=None)
    return None if newest is None else _view(newest)


BULK_QUERIES: Final[dict[str, Resolver]] = {
    "bulkOperations": _list,
    "currentBulkOperation": _current,
}
BULK_MUTATIONS: Final[dict[str, Resolver]] = {
    "bulkOperationCancel": _cancel,
    "bulkOperationRunQuery": _run,
}
