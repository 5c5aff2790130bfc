"""The demo shop's customers: made-up names, addresses under example.com and example.net only."""

import unicodedata
from datetime import datetime
from random import Random
from typing import Any, Final, NamedTuple

from faker import Faker

from infra.demo_shop.numbers import Numbers
from infra.demo_shop.wire import iso

_LOCALES: Final = ["en_US", "en_GB", "fr_FR", "de_DE", "es_ES", "pt_BR"]
_POOL: Final = 300  # names to mix: asking Faker for each person would take half of a benchmark


class Person(NamedTuple):
    """A customer. ``since`` is when the account was made."""

    shopify_id: int
    email: str
    phone: str
    first_name: str
    last_name: str
    city: str
    since: datetime

    def brief(self) -> dict[str, Any]:
        """The customer as it stands inside an order."""
        return {
            "id": self.shopify_id,
            "email": self.email,
            "phone": self.phone or None,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "verified_email": True,
            "created_at": iso(self.since),
            "admin_graphql_api_id": f"gid://shopify/Customer/{self.shopify_id}",
        }

    def payload(self) -> dict[str, Any]:
        return {
            **self.brief(),
            "updated_at": iso(self.since),
            "state": "enabled",
            "orders_count": 0,
            "total_spent": "0.00",
            "currency": "USD",
            "default_address": {
                "first_name": self.first_name,
                "last_name": self.last_name,
                "city": self.city,
                "phone": self.phone or None,
            },
        }


class Crowd:
    """Makes people, each different from the others."""

    def __init__(self, seed: int, random: Random, numbers: Numbers) -> None:
        faker = Faker(_LOCALES)
        faker.seed_instance(seed)
        self._first = [faker.first_name() for _ in range(_POOL)]
        self._last = [faker.last_name() for _ in range(_POOL)]
        self._cities = [faker.city() for _ in range(_POOL // 5)]
        self._random = random
        self._numbers = numbers
        self._made = 0

    def person(self, since: datetime) -> Person:
        random = self._random
        self._made += 1
        first, last = random.choice(self._first), random.choice(self._last)
        domain = "example.net" if random.random() < 0.3 else "example.com"
        return Person(
            shopify_id=self._numbers.next(),
            email=f"{_plain(first)}.{_plain(last)}.{self._made}@{domain}",
            # 555-01xx numbers belong to nobody.
            phone=f"+1555{random.randrange(200, 999)}01{random.randrange(100):02}"
            if random.random() < 0.4
            else "",
            first_name=first,
            last_name=last,
            city=random.choice(self._cities),
            since=since,
        )


def _plain(name: str) -> str:
    """The letters of a name that an address can have."""
    decomposed = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return "".join(filter(str.isalnum, decomposed)) or "member"
