"""What a question to the Admin API is made of: a GraphQL operation and the shape of its answer.

The tests find every ``Question`` of this package and hold it against Shopify's schema.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final, Generic, TypeVar

import msgspec

AnswerT = TypeVar("AnswerT", bound=msgspec.Struct, covariant=True)


class Repeat(Enum):
    """What asking again does, when nobody knows whether the first one arrived."""

    HARMLESS = "harmless"
    """Nothing, or the same once more: queries, and changes whose repeat finds the first."""
    NEVER = "never"
    """The same a second time: money would be given twice."""


class Answer(msgspec.Struct, frozen=True, rename="camel"):
    """Part of an answer, in Shopify's spelling; what is not asked for is not there."""


@dataclass(frozen=True, slots=True)
class Question(Generic[AnswerT]):
    """``text`` is one GraphQL operation, ``answer`` what its ``data`` is read as. ``cost`` is about
    what Shopify reckons for it (points, at most 1000), before it has said so itself."""

    text: str
    answer: type[AnswerT]
    cost: int
    repeat: Repeat = Repeat.HARMLESS

    @property
    def name(self) -> str:
        """The operation's name, for metrics and traces."""
        return self.text.split(None, 1)[1].split("(", 1)[0].split(None, 1)[0]


class UserError(Answer, frozen=True):
    """Why a mutation was not done. Its ``message`` is not asked for: it may quote what was sent."""

    code: str | None = None
    field: list[str] | None = None


class Node(Answer, frozen=True):
    id: str


def gid(kind: str, number: str) -> str:
    """Shopify's global id of what webhooks name by a number; a global id stays what it is."""
    return number if number.startswith("gid://") else f"gid://shopify/{kind}/{number}"


def number_of(global_id: str) -> str:
    """The number at the end of a global id, as webhooks have it."""
    return global_id.rpartition("/")[2].partition("?")[0]


MUTATION_COST: Final = 10
"""What Shopify reckons for a mutation, whatever it answers."""
