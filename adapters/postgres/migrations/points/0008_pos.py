"""What tills have told of sales they made offline."""

from alembic import op

revision = "0008"
down_revision = "0007"

_STATEMENTS = (
    # What a sale is known by where it was told, and what the ledger knows it by.
    """
    CREATE TABLE sale_names (
        merchant_id uuid NOT NULL,
        name text NOT NULL,
        order_id text NOT NULL,
        PRIMARY KEY (merchant_id, name)
    )
    """,
    """
    CREATE TABLE pos_lines (
        merchant_id uuid NOT NULL,
        till_id text NOT NULL,
        line_id text NOT NULL,
        order_id text NOT NULL,
        content text NOT NULL,
        sale text NOT NULL,
        location text NOT NULL,
        at timestamptz NOT NULL,
        PRIMARY KEY (merchant_id, till_id, line_id)
    )
    """,
    "CREATE INDEX pos_lines_sale ON pos_lines (merchant_id, order_id) WHERE sale <> ''",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
