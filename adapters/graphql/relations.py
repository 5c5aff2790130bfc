"""What one answer leads to: fields that are answered by other operations, many at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import msgspec

from contracts import core, gamification, points, users
from contracts.kit import Operation, Request

AskT = TypeVar("AskT", bound=Request)
AnswerT = TypeVar("AnswerT", bound=msgspec.Struct)
ItemT = TypeVar("ItemT", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Batch(Generic[AskT, AnswerT, ItemT]):
    """An operation that answers for up to 250 ids at once. ``ask`` makes its request, ``found``
    takes the items out of its answer by id; what is not there is answered with null."""

    operation: Operation[AskT, AnswerT]
    item: type[ItemT]
    ask: Callable[[Sequence[UUID]], AskT]
    found: Callable[[AnswerT], Mapping[UUID, ItemT]]


@dataclass(frozen=True, slots=True)
class Relation:
    """A field of ``of`` that leads to an item of a batch; ``key`` is the attribute with its id."""

    of: type[msgspec.Struct]
    name: str
    key: str
    batch: Batch[Any, Any, Any]
    summary: str


_BALANCES: Final = Batch(
    points.GET_BALANCES,
    points.Balance,
    lambda ids: points.BalancesOf(customer_ids=tuple(ids)),
    lambda answer: {each.customer_id: each for each in answer.balances},
)
_USERS: Final = Batch(
    users.GET_USERS,
    users.User,
    lambda ids: users.UsersOf(user_ids=tuple(ids)),
    lambda answer: {each.user_id: each for each in answer.users},
)
_MEMBERS: Final = Batch(
    core.GET_MEMBERS,
    core.Member,
    lambda ids: core.MembersOf(customer_ids=tuple(ids)),
    lambda answer: {each.customer_id: each for each in answer.members},
)

RELATIONS: Final = (
    Relation(core.Member, "points", "customer_id", _BALANCES, "The member's wallet."),
    Relation(core.Member, "user", "customer_id", _USERS, "Who the member is."),
    Relation(users.User, "points", "user_id", _BALANCES, "A customer's wallet."),
    Relation(users.User, "member", "user_id", _MEMBERS, "A customer's scores, segment and tier."),
    Relation(gamification.Rank, "member", "customer_id", _MEMBERS, "The member's profile."),
    Relation(gamification.Rank, "user", "customer_id", _USERS, "Who the member is."),
)
