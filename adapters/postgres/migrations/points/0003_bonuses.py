"""What bonuses ask for: which goods an order is for, when it was sent, who bought, what is what."""

from alembic import op

revision = "0003"
down_revision = "0002"

_STATEMENTS = (
    "ALTER TABLE orders ADD COLUMN fulfilled_at timestamptz, ADD COLUMN lines jsonb",
    """
    CREATE TABLE buyers (
        merchant_id uuid NOT NULL,
        customer_id uuid NOT NULL,
        tier text NOT NULL,
        segment text NOT NULL,
        version bigint NOT NULL,
        PRIMARY KEY (merchant_id, customer_id)
    ) WITH (fillfactor = 80)
    """,
    """
    CREATE TABLE goods (
        merchant_id uuid NOT NULL,
        product_id text NOT NULL,
        tags jsonb NOT NULL,
        updated_at timestamptz NOT NULL,
        PRIMARY KEY (merchant_id, product_id)
    )
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
