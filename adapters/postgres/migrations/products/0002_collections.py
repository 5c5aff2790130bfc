"""Which products are in the collections that programs name, and how old that knowledge is."""

from alembic import op

revision = "0002"
down_revision = "0001"

_STATEMENTS = (
    """
    CREATE TABLE collection_syncs (
        merchant_id uuid PRIMARY KEY,
        collections jsonb NOT NULL,
        version bigint NOT NULL,
        claim bigint NOT NULL,
        tries integer NOT NULL,
        problem text NOT NULL,
        whole_at timestamptz NOT NULL,
        synced_at timestamptz,
        held_until timestamptz NOT NULL,
        due_at timestamptz
    )
    """,
    "CREATE INDEX collection_syncs_due ON collection_syncs (due_at) WHERE due_at IS NOT NULL",
    """
    CREATE TABLE product_collections (
        merchant_id uuid NOT NULL,
        product_id text NOT NULL,
        collections jsonb NOT NULL,
        version bigint NOT NULL,
        PRIMARY KEY (merchant_id, product_id)
    )
    """,
    """
    CREATE TABLE products_in_doubt (
        merchant_id uuid NOT NULL,
        product_id text NOT NULL,
        since timestamptz NOT NULL,
        PRIMARY KEY (merchant_id, product_id)
    )
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
