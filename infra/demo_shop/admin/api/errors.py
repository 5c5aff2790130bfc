"""User errors: what a mutation refuses, beside a 200."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from infra.demo_shop.admin.api.views import View


class UserError(NamedTuple):
    """``field`` is the way to the input that is wrong."""

    field: Sequence[str] | None
    message: str
    code: str | None = None


def refused(payload: str, error_type: str, errors: Iterable[UserError], *nothing: str) -> View:
    """The payload of a mutation that did nothing; the fields ``nothing`` are null."""
    return View(
        payload,
        {
            **dict.fromkeys(nothing),
            "userErrors": [_view(error_type, each) for each in errors],
        },
    )


def done(payload: str, **fields: object) -> View:
    return View(payload, {**fields, "userErrors": []})


def _view(error_type: str, error: UserError) -> View:
    field = None if error.field is None else list(error.field)
    fields: dict[str, object] = {"field": field, "message": error.message, "code": error.code}
    if error_type == "DiscountUserError":
        fields["extraInfo"] = None
    if error_type == "MetafieldsSetUserError":
        named = [each for each in error.field or () if each.isdecimal()]
        fields["elementIndex"] = int(named[0]) if named else None
    return View(error_type, fields)
