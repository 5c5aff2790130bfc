"""What a person's data must look like. No answer of these repeats what was given."""

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Final

from contracts.paging import limit_problems
from contracts.users import CUSTOMER, KINDS, STAFF, CreateUser, ListUsers, UpdateUser
from domain.errors import Problem

_EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
_PHONE: Final = re.compile(r"(\+?[0-9][0-9 ().-]{2,30})?")
_LANGUAGE: Final = re.compile(r"([A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,4})?")
_SHOPIFY_ID: Final = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_OLDEST: Final = date(1900, 1, 1)
_MOST_SEARCH: Final = 100
_BAD_KIND: Final = Problem("/kind", f"Expected one of {', '.join(KINDS)}.")


def _is_email(text: str) -> bool:
    return len(text) <= 254 and text.isprintable() and _EMAIL.fullmatch(text) is not None


def is_shopify_id(text: str) -> bool:
    return _SHOPIFY_ID.fullmatch(text) is not None


def _is_name(text: str) -> bool:
    return len(text) <= 100 and text.isprintable()


_CHECKS: Final[Mapping[str, tuple[Callable[[str], object], str]]] = {
    "email": (_is_email, "Expected an address such as name@example.com."),
    "phone": (_PHONE.fullmatch, "Expected a number such as +1 555 0100."),
    "first_name": (_is_name, "At most 100 characters on one line."),
    "last_name": (_is_name, "At most 100 characters on one line."),
    "language": (_LANGUAGE.fullmatch, "Expected a language tag such as en or pt-BR."),
}


def creation_problems(request: CreateUser, today: date) -> list[Problem]:
    """Everything that is wrong with a new person."""
    problems = _common_problems(request, today)
    if request.kind not in KINDS:
        problems.append(_BAD_KIND)
    if request.shopify_customer_id:
        if request.kind == STAFF:
            problems.append(Problem("/shopify_customer_id", "Staff has none."))
        elif not is_shopify_id(request.shopify_customer_id):
            problems.append(Problem("/shopify_customer_id", "Expected the digits of the id."))
    if request.kind == STAFF and not request.role:
        problems.append(Problem("/role", "Staff needs a role."))
    if request.kind == CUSTOMER and request.role:
        problems.append(Problem("/role", "Customers have none."))
    return problems


def listing_problems(request: ListUsers) -> list[Problem]:
    """Everything that is wrong with what is asked for, but for the cursor."""
    problems = limit_problems(request.limit)
    if request.kind not in KINDS:
        problems.append(_BAD_KIND)
    if len(request.search) > _MOST_SEARCH:
        problems.append(Problem("/search", f"At most {_MOST_SEARCH} characters."))
    if request.search and request.email:
        problems.append(Problem("/search", "Search by name or by e-mail address, not both."))
    return problems


def update_problems(request: UpdateUser, today: date) -> list[Problem]:
    """Everything that is wrong with a change."""
    return _common_problems(request, today)


def _common_problems(request: CreateUser | UpdateUser, today: date) -> list[Problem]:
    problems = [
        Problem(f"/{name}", detail)
        for name, (is_fine, detail) in _CHECKS.items()
        if (given := getattr(request, name)) is not None and not is_fine(given.strip())
    ]
    if request.birthday is not None and not _OLDEST <= request.birthday <= today:
        problems.append(Problem("/birthday", f"Expected a day from {_OLDEST} until today."))
    return problems
