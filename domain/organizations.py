"""Organisations: shops of one house, whose members keep one balance in all of them.

A shop is in one organisation at most. It gets in by consent of both sides: somebody of a shop that
is in it makes a code, somebody of the other shop enters it. A shop that removes the app is in none
any more, also when it comes back: what it agreed to is over, and others may run it by then. A shop
that LoyalNest suspends stays where it is.
"""

from datetime import datetime, timedelta
from typing import Final

from domain.admins.guessing import Bucket, Pace
from domain.errors import Kind, LoyaltyError, NotFound, Problem

MOST_SHOPS: Final = 50
"""In one organisation: few enough that whoever asks for them gets all at once."""
INVITATION_LASTS: Final = timedelta(days=7)
CODE_BYTES: Final = 15
"""120 random bits in a code: too many to try, also for whoever has the digests."""
LONGEST_NAME: Final = 100


class NoOrganization(NotFound):
    code = "NO_ORGANIZATION"
    title = "This shop is in no organisation."


class AlreadyInOrganization(LoyaltyError):
    code = "ALREADY_IN_ORGANIZATION"
    kind = Kind.CONFLICT
    title = "This shop is in an organisation; it has to leave that one first."


class OrganizationCodeSpent(LoyaltyError):
    """Used, replaced by a newer one, expired, mistyped, or its shop has left: not told apart."""

    code = "ORGANIZATION_CODE_SPENT"
    kind = Kind.NOT_FOUND
    title = "This code is not right, or does not hold any more; ask the other shop for a new one."


class TooManyWrongCodes(LoyaltyError):
    code = "TOO_MANY_WRONG_CODES"
    kind = Kind.LIMITED
    title = "Too many wrong codes; wait a little before you try another."


class OrganizationFull(LoyaltyError):
    code = "ORGANIZATION_FULL"
    kind = Kind.CONFLICT
    title = f"An organisation has at most {MOST_SHOPS} shops."


def name_problems(name: str) -> list[Problem]:
    text = name.strip()
    if 0 < len(text) <= LONGEST_NAME and text.isprintable():
        return []
    return [Problem("/name", f"Expected one line of 1 to {LONGEST_NAME} characters.")]


def wrong_codes_of(shop: str) -> Bucket:
    """Where the wrong codes are counted that are entered in a shop."""
    return Bucket(Pace.ORGANIZATION_CODES, shop)


def has_left(*, uninstalled: bool, installed_at: datetime, joined_at: datetime) -> bool:
    """Whether a shop that joined then has removed the app since, and perhaps come back."""
    return uninstalled or installed_at > joined_at
