"""Members leave: deleted by their shop, or merged into another."""

from alembic import op

revision = "0002"
down_revision = "0001"

_STATEMENTS = (
    "ALTER TABLE customers ADD COLUMN left_at timestamptz",
    # Apart from the members: who stands for somebody may not have been heard of yet.
    """
    CREATE TABLE stand_ins (
        merchant_id uuid NOT NULL,
        customer_id uuid NOT NULL,
        kept_id uuid,
        version bigint NOT NULL,
        PRIMARY KEY (merchant_id, customer_id)
    )
    """,
    "CREATE INDEX stand_ins_kept ON stand_ins (merchant_id, kept_id) WHERE kept_id IS NOT NULL",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
