"""``ports.catalogue.Catalogue`` on PostgreSQL, searched by trigrams (pg_trgm)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

import msgspec

from adapters.postgres.connection import Connection, Row, Statement, text
from contracts.shop import Product
from domain.search import folded
from ports.catalogue import Place, ProductKey, Rank

_COLUMNS: Final = (
    "product_id, title, handle, vendor, product_type, tags, status, price_min, price_max,"
    " image_url, updated_at"
)
_PUT: Final = text(
    f"""
    INSERT INTO products AS p (
        merchant_id, {_COLUMNS}, removed, sort_title, search_title, search_all
    )
    SELECT merchant_id, product_id, title, handle, vendor, product_type,
        ARRAY(SELECT jsonb_array_elements_text(tags)), status, price_min, price_max, image_url,
        updated_at, false, lower(title), search_title, search_all
    FROM unnest(
        CAST(:merchants AS uuid[]), CAST(:ids AS text[]), CAST(:titles AS text[]),
        CAST(:handles AS text[]), CAST(:vendors AS text[]), CAST(:types AS text[]),
        CAST(:tags AS jsonb[]), CAST(:statuses AS text[]), CAST(:lowest AS numeric[]),
        CAST(:highest AS numeric[]), CAST(:images AS text[]), CAST(:updated AS timestamptz[]),
        CAST(:search_titles AS text[]), CAST(:search_all AS text[])
    ) AS k (
        merchant_id, product_id, title, handle, vendor, product_type, tags, status, price_min,
        price_max, image_url, updated_at, search_title, search_all
    )
    ON CONFLICT (merchant_id, product_id) DO UPDATE SET
        title = excluded.title, handle = excluded.handle, vendor = excluded.vendor,
        product_type = excluded.product_type, tags = excluded.tags, status = excluded.status,
        price_min = excluded.price_min, price_max = excluded.price_max,
        image_url = excluded.image_url, updated_at = excluded.updated_at,
        sort_title = excluded.sort_title, search_title = excluded.search_title,
        search_all = excluded.search_all
    WHERE p.updated_at < excluded.updated_at AND NOT p.removed
    """
)
# What is left of a removed product is its id, so that a late update cannot bring it back.
_REMOVE: Final = text(
    f"""
    INSERT INTO products AS p (
        merchant_id, {_COLUMNS}, removed, sort_title, search_title, search_all
    )
    SELECT merchant_id, product_id, '', '', '', '', '{{}}', '', 0, 0, '', :at, true, '', '', ''
    FROM unnest(CAST(:merchants AS uuid[]), CAST(:ids AS text[])) AS k (merchant_id, product_id)
    ON CONFLICT (merchant_id, product_id) DO UPDATE SET
        title = '', handle = '', vendor = '', product_type = '', tags = '{{}}', status = '',
        price_min = 0, price_max = 0, image_url = '', updated_at = excluded.updated_at,
        removed = true, sort_title = '', search_title = '', search_all = ''
    WHERE NOT p.removed
    """
)
_PRODUCT: Final = text(
    f"""
    SELECT {_COLUMNS} FROM products
    WHERE merchant_id = :merchant_id AND product_id = :product_id AND NOT removed
    """
)
_PAGE: Final = text(
    f"""
    SELECT {_COLUMNS}, sort_title FROM products
    WHERE merchant_id = :merchant_id AND NOT removed
        AND (sort_title, product_id) > (:title, :product_id)
    ORDER BY sort_title, product_id LIMIT :most
    """
)
# For this transaction only. The planner takes a likeness for as cheap as a comparison and would
# rather ask each product of the shop than the trigram index, until statistics tell it otherwise.
_PREPARE: Final = text(
    """
    SELECT set_config('pg_trgm.word_similarity_threshold', CAST(:least AS text), true),
        set_config('enable_indexscan', 'off', true), set_config('enable_seqscan', 'off', true)
    """
)
_LEAST: Final = 0.3
"""Below this likeness (0 to 1) a word is another word. One letter too many, too few or wrong is
forgiven; of a short word with two letters swapped ("balck", 0.2) too little is left."""
_NEAR_THE_BEST: Final = 0.6
"""What is much less like the words than the best find is left out: it is not what was meant."""


_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


_RANK: Final = "other, begins_otherwise, without, unlike, length, sort_title, product_id"
_AFTER: Final = f"""
    AND ({_RANK}) > (
        CAST(:other AS boolean), CAST(:begins_otherwise AS boolean), CAST(:without AS boolean),
        CAST(:unlike AS double precision), CAST(:length AS integer), CAST(:title AS text),
        CAST(:product_id AS text)
    )
"""


@cache
def _search(words: int, *, goes_on: bool) -> Statement:
    """The query for so many words; they are only ever parameters. A page that ``goes_on`` measures
    by the best that the first one found, so that what has come since changes nothing."""
    each = [f"CAST(:word{n} AS text)" for n in range(words)]
    found = " AND ".join(f"search_all %> {word}" for word in each)
    likeness = " + ".join(f"word_similarity({word}, search_all)" for word in each)
    return text(
        f"""
        WITH alike AS (
            SELECT {_COLUMNS}, search_title <> :query AS other,
                NOT starts_with(search_title, :query) AS begins_otherwise,
                strpos(' ' || search_title, ' ' || :query) = 0 AS without,
                CAST(-({likeness}) / {words} AS double precision) AS unlike,
                length(search_title) AS length, sort_title
            FROM products_searched WHERE merchant_id = :merchant_id AND NOT removed AND {found}
        ), measured AS (
            SELECT *, {
            "CAST(:best AS double precision)" if goes_on else "-min(unlike) OVER ()"
        } AS best
            FROM alike
        )
        SELECT * FROM measured WHERE -unlike >= best * {_NEAR_THE_BEST} {_AFTER if goes_on else ""}
        ORDER BY {_RANK} LIMIT :most
        """
    )


class PostgresCatalogue:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def put(self, products: Mapping[ProductKey, Product]) -> None:
        if not products:
            return
        keys = sorted(products)  # in one order everywhere, so that no two batches deadlock
        found = [products[key] for key in keys]
        titles = [_plain(folded(each.title)) for each in found]
        await self._connection.execute(
            _PUT,
            {
                "merchants": [key.merchant_id for key in keys],
                "ids": [key.product_id for key in keys],
                "titles": [each.title for each in found],
                "handles": [each.handle for each in found],
                "vendors": [each.vendor for each in found],
                "types": [each.product_type for each in found],
                "tags": [msgspec.json.encode(each.tags).decode() for each in found],
                "statuses": [each.status for each in found],
                "lowest": [each.price_min for each in found],
                "highest": [each.price_max for each in found],
                "images": [each.image_url for each in found],
                "updated": [each.updated_at for each in found],
                "search_titles": titles,
                "search_all": [
                    _plain(
                        folded(" ".join((each.title, each.vendor, each.product_type, *each.tags)))
                    )
                    for each in found
                ],
            },
        )

    async def remove(self, keys: Iterable[ProductKey], at: datetime) -> None:
        ordered = sorted(keys)
        if ordered:
            await self._connection.execute(
                _REMOVE,
                {
                    "merchants": [key.merchant_id for key in ordered],
                    "ids": [key.product_id for key in ordered],
                    "at": at,
                },
            )

    async def product(self, key: ProductKey) -> Product | None:
        row = (await self._connection.execute(_PRODUCT, key._asdict())).one_or_none()
        return None if row is None else _product(row)

    async def page(
        self, merchant_id: UUID, after: Place | None, limit: int
    ) -> Sequence[tuple[Place, Product]]:
        start = after or Place("", "")
        rows = await self._connection.execute(
            _PAGE,
            {
                "merchant_id": merchant_id,
                "title": start.title,
                "product_id": start.product_id,
                "most": limit,
            },
        )
        return [(Place(row.sort_title, row.product_id), _product(row)) for row in rows]

    async def search(
        self, merchant_id: UUID, words: Sequence[str], after: Rank | None, limit: int
    ) -> Sequence[tuple[Rank, Product]]:
        await self._connection.execute(_PREPARE, {"least": str(_LEAST)})
        plain = [_plain(word) for word in words]
        parameters: dict[str, Any] = {f"word{n}": word for n, word in enumerate(plain)}
        parameters |= {"merchant_id": merchant_id, "query": " ".join(plain), "most": limit}
        if after is not None:
            parameters |= after._asdict()
        query = _search(len(words), goes_on=after is not None)
        rows = await self._connection.execute(query, parameters)
        return [(_rank(row), _product(row)) for row in rows]


def _rank(row: Row) -> Rank:
    return Rank(
        other=row.other,
        begins_otherwise=row.begins_otherwise,
        without=row.without,
        unlike=row.unlike,
        length=row.length,
        title=row.sort_title,
        product_id=row.product_id,
        best=row.best,
    )


def _plain(text: str) -> str:
    """The text with every foreign letter as three ASCII ones: pg_trgm takes for a letter only what
    the database's locale does, and in C that is ASCII. The digits that tell neighbours in an
    alphabet apart come first, so that two letters do not look alike for being of one script."""
    if text.isascii():
        return text
    return "".join(
        each if each.isascii() else "".join(_DIGITS[ord(each) // 36**n % 36] for n in range(3))
        for each in text
    )


def _product(row: Row) -> Product:
    return Product(
        product_id=row.product_id,
        title=row.title,
        handle=row.handle,
        vendor=row.vendor,
        product_type=row.product_type,
        tags=tuple(row.tags),
        status=row.status,
        price_min=row.price_min,
        price_max=row.price_max,
        image_url=row.image_url,
        updated_at=row.updated_at,
    )
