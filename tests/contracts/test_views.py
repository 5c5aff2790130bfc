"""A view is a part of its body, as the contract has it; any other starts no service."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec
import pytest

from contracts.kit import BadContract, Body, Instant
from contracts.views import View, check_view


class Coin(Body, frozen=True, kw_only=True):
    worth: Decimal
    metal: str = "gold"


class Purse(Body, frozen=True, kw_only=True):
    owner: UUID
    opened_at: Instant
    colour: str = ""
    largest: Coin | None = None
    coins: tuple[Coin, ...] = ()


class Worth(View, frozen=True, kw_only=True):
    worth: Decimal


class Contents(View, frozen=True, kw_only=True):
    opened_at: Instant
    largest: Worth | None = None
    coins: tuple[Worth, ...] = ()


class WithMore(View, frozen=True, kw_only=True):
    owner: UUID
    weight: int = 0


class OtherType(View, frozen=True, kw_only=True):
    owner: str


class WithoutOffset(View, frozen=True, kw_only=True):
    opened_at: datetime


class AlwaysThere(View, frozen=True, kw_only=True):
    colour: str


class MaybeThere(View, frozen=True, kw_only=True):
    owner: UUID | None = None


class OtherDefault(View, frozen=True, kw_only=True):
    colour: str = "black"


class NeverNone(View, frozen=True, kw_only=True):
    largest: Worth


class OtherCoin(View, frozen=True, kw_only=True):
    worth: Decimal
    metal: str = "silver"


class WithOtherCoins(View, frozen=True, kw_only=True):
    coins: tuple[OtherCoin, ...] = ()


class NoView(Body, frozen=True, kw_only=True):
    worth: Decimal


class WithNoView(View, frozen=True, kw_only=True):
    coins: tuple[NoView, ...] = ()


def test_a_part_of_a_body_is_a_view_of_it() -> None:
    check_view(Contents, Purse)
    check_view(Worth, Coin)


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (WithMore, "WithMore.weight is nothing that"),
        (OtherType, "OtherType.owner is of another type"),
        (WithoutOffset, "WithoutOffset.opened_at is of another type"),
        (AlwaysThere, "AlwaysThere.colour is required, or has a default"),
        (MaybeThere, "MaybeThere.owner is required, or has a default"),
        (OtherDefault, "OtherDefault.colour is required, or has a default"),
        (NeverNone, "NeverNone.largest is required, or has a default"),
        (WithOtherCoins, "WithOtherCoins.coins.metal is required, or has a default"),
        (WithNoView, "WithNoView.coins is of another type"),
    ],
)
def test_what_the_contract_does_not_promise_is_no_view(view: type[View], said: str) -> None:
    with pytest.raises(BadContract, match=said):
        check_view(view, Purse)


def test_a_view_reads_what_the_body_says() -> None:
    purse = Purse(
        owner=UUID(int=1),
        opened_at=datetime.fromisoformat("2026-11-21T12:00:00Z"),
        colour="red",
        coins=(Coin(worth=Decimal("1.50")), Coin(worth=Decimal(2), metal="silver")),
    )
    assert msgspec.json.decode(msgspec.json.encode(purse), type=Contents) == Contents(
        opened_at=purse.opened_at, coins=(Worth(worth=Decimal("1.50")), Worth(worth=Decimal(2)))
    )
