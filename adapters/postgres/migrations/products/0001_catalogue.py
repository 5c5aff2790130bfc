"""The catalogue, with a trigram index per shop to search it by."""

from alembic import op

revision = "0001"
down_revision = None

_STATEMENTS = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    # So that the shop is part of the trigram index: nobody's search walks another's products.
    "CREATE EXTENSION IF NOT EXISTS btree_gin",
    """
    CREATE TABLE products (
        merchant_id uuid NOT NULL,
        product_id text NOT NULL,
        title text NOT NULL,
        handle text NOT NULL,
        vendor text NOT NULL,
        product_type text NOT NULL,
        tags text[] NOT NULL,
        status text NOT NULL,
        price_min numeric NOT NULL,
        price_max numeric NOT NULL,
        image_url text NOT NULL,
        updated_at timestamptz NOT NULL,
        removed boolean NOT NULL,
        sort_title text NOT NULL,
        search_title text NOT NULL,
        search_all text NOT NULL,
        PRIMARY KEY (merchant_id, product_id)
    )
    """,
    """
    CREATE INDEX products_by_title ON products (merchant_id, sort_title, product_id)
    WHERE NOT removed
    """,
    """
    CREATE INDEX products_search ON products USING gin (merchant_id, search_all gin_trgm_ops)
    WHERE NOT removed
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
