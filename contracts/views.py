"""Views: what a consumer reads of an event, where that is less than the event says.

A consumer of a thousand events a second that wants four fields of twenty should not have the others
made for it. Its view is a struct with those alone, and every service that has one is checked
against the contract when it starts.
"""

from msgspec import inspect

from contracts.kit import BadContract, Body


class View(Body, frozen=True, kw_only=True):
    """Some of the fields of a body, or of a struct inside one, each as it is there."""


def check_view(view: type[View], body: type[Body]) -> None:
    """Raises BadContract, naming the first field that ``body`` does not promise as ``view`` has it:
    under its name, of its type (or a view of it), required where it is, with the same default.
    A publisher leaves a default out, so another one would be read as something that nobody said."""
    _compare(view.__name__, inspect.type_info(view), inspect.type_info(body))


def _compare(place: str, view: inspect.Type, body: inspect.Type) -> None:
    match view, body:
        case inspect.StructType(), inspect.StructType() if issubclass(view.cls, View):
            promised = {field.encode_name: field for field in body.fields}
            for field in view.fields:
                _compare_fields(f"{place}.{field.name}", field, promised.get(field.encode_name))
        case inspect.VarTupleType(), inspect.VarTupleType():
            _compare(place, view.item_type, body.item_type)
        case inspect.UnionType(), inspect.UnionType() if len(view.types) == len(body.types):
            for mine, theirs in zip(view.types, body.types, strict=True):
                _compare(place, mine, theirs)
        case _ if view != body:
            raise BadContract(f"{place} is of another type than the contract says")


def _compare_fields(place: str, view: inspect.Field, body: inspect.Field | None) -> None:
    if body is None:
        raise BadContract(f"{place} is nothing that the contract names")
    if (view.required, view.default, view.default_factory) != (
        body.required,
        body.default,
        body.default_factory,
    ):
        raise BadContract(f"{place} is required, or has a default, where the contract differs")
    _compare(place, view.type, body.type)
