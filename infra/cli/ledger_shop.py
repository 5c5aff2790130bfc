"""Which shop's ledger is meant, and where it is kept."""

import os
from typing import TYPE_CHECKING, Final
from uuid import UUID

if TYPE_CHECKING:
    from adapters.mongo.database import MongoDatabase
    from adapters.postgres.database import Database

PATIENCE: Final = 3600.0
"""Seconds that PostgreSQL may take to sort the entries of a large shop."""


def shop_named(named: str) -> UUID:
    """An id as it is; a domain is known to auth."""
    try:
        return UUID(named)
    except ValueError:
        from adapters.runtime.client import ask
        from contracts.auth import VALIDATE_MERCHANT, ValidateMerchant

        return ask(VALIDATE_MERCHANT, ValidateMerchant(shop_domain=named)).merchant_id


def points_database() -> "Database":
    """Raises BadSettings when the environment does not say where it is."""
    from adapters.postgres.database import Database
    from adapters.runtime.settings import PREFIX, BadSettings, read_setting

    url = read_setting(f"{PREFIX}POSTGRES_URL", os.environ)
    if not url:
        raise BadSettings("LOYALNEST_POSTGRES_URL is not set.")
    return Database(url, "points", pool=1, patience=PATIENCE)


def points_are_on_mongo() -> bool:
    from adapters.runtime.settings import MONGO, PREFIX, read_setting

    return read_setting(f"{PREFIX}POINTS_STORE", os.environ) == MONGO


def points_on_mongo() -> "MongoDatabase | None":
    """Where points are kept on MongoDB; None: they are on PostgreSQL. Raises BadSettings."""
    if not points_are_on_mongo():
        return None
    from adapters.mongo.collections import OF_POINTS
    from adapters.mongo.database import MongoDatabase
    from adapters.mongo.drivers import PYMONGO
    from adapters.runtime.settings import PREFIX, BadSettings, read_setting

    url = read_setting(f"{PREFIX}MONGO_URL", os.environ)
    if not url:
        raise BadSettings("LOYALNEST_MONGO_URL is not set; LOYALNEST_POINTS_STORE is mongo.")
    # PyMongo whatever the service uses: it is always there.
    return MongoDatabase(url, "points", OF_POINTS, driver=PYMONGO, pool=1)
