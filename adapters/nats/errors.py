"""The one place where errors become NATS messages, and messages errors again."""

from typing import Final

import msgspec

import domain.errors as base
from contracts.registry import ERRORS
from domain.errors import InternalError, LoyaltyError, Problem


class Envelope(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a refusal travels: never a repr, never anything internal."""

    code: str
    kind: str
    detail: str
    problems: tuple[Problem, ...] = ()


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Envelope).decode


def to_bytes(error: LoyaltyError) -> bytes:
    return _encode(
        Envelope(
            code=error.code, kind=error.kind.value, detail=error.detail, problems=error.problems
        )
    )


def from_bytes(payload: bytes) -> LoyaltyError:
    """The error that was meant; one that this process does not know keeps its code and kind, and
    one of a kind that it does not know either is a fault: a newer replica may have made it."""
    try:
        envelope = _decode(payload)
    except msgspec.MsgspecError:
        return InternalError()
    known = ERRORS.get(envelope.code)
    if known is None:
        known = type(
            "UnknownRefusal",
            (LoyaltyError,),
            {"code": envelope.code, "kind": _kind(envelope.kind), "title": envelope.detail},
        )
    return known(envelope.detail, envelope.problems)


def _kind(name: str) -> base.Kind:
    try:
        return base.Kind(name)
    except ValueError:
        return base.Kind.INTERNAL
