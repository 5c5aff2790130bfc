"""Reading a request so that everything wrong with it is reported, not only the first thing."""

import msgspec

from contracts.kit import Request
from domain.errors import InvalidRequest, Problem


def decode_request(decoder: msgspec.json.Decoder[Request], payload: bytes) -> Request:
    """The request in ``payload``. Raises InvalidRequest with one problem for every bad field."""
    try:
        return decoder.decode(payload or b"{}")
    except msgspec.ValidationError as error:
        found = _problems(decoder.type, payload or b"{}")
        raise InvalidRequest(problems=found or [_problem("", str(error))]) from error
    except msgspec.DecodeError as error:
        raise InvalidRequest("The body is not valid JSON.") from error


def convert_request(request: type[Request], values: dict[str, object]) -> Request:
    """The request made of texts, as a query string or a path has them."""
    try:
        return msgspec.convert(values, request, strict=False)
    except msgspec.ValidationError as error:
        found = _field_problems(request, values, strict=False)
        raise InvalidRequest(problems=found or [_problem("", str(error))]) from error


def _problems(request: type[Request], payload: bytes) -> list[Problem]:
    # The slow way, taken only when the fast one has failed.
    raw = msgspec.json.decode(payload)
    if not isinstance(raw, dict):
        return [Problem("", "Expected a JSON object.")]
    return _field_problems(request, raw, strict=True)


def _field_problems(
    request: type[Request], values: dict[str, object], *, strict: bool
) -> list[Problem]:
    problems = []
    fields = {field.encode_name: field for field in msgspec.structs.fields(request)}
    for name, field in fields.items():
        if name not in values:
            if field.required:
                problems.append(Problem(f"/{name}", "This field is required."))
            continue
        try:
            msgspec.convert(values[name], field.type, strict=strict, str_keys=True)
        except msgspec.ValidationError as error:
            problems.append(_problem(f"/{name}", str(error)))
    problems.extend(
        Problem(f"/{name}", "There is no such field.") for name in values if name not in fields
    )
    return problems


def _problem(pointer: str, message: str) -> Problem:
    """msgspec says ``Expected `int`, got `str` - at `$.rules[0].rate```: split what from where."""
    what, _, where = message.partition(" - at `$")
    inside = where.rstrip("`").replace("[", ".").replace("]", "").replace(".", "/")
    return Problem(pointer + inside, what if what.endswith(".") else what + ".")
