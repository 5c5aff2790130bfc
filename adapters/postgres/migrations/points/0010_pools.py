"""Members who have points in several stores of one organisation, and what stores moved for them."""

from alembic import op

revision = "0010"
down_revision = "0009"

_STATEMENTS = (
    # In which pool a member is. Nothing else is known of who is in it.
    """
    CREATE TABLE pooled_members (
        merchant_id uuid NOT NULL,
        customer_id uuid NOT NULL,
        pool_id uuid,
        organization_id uuid,
        version bigint NOT NULL,
        linked_at timestamptz NOT NULL,
        PRIMARY KEY (merchant_id, customer_id)
    )
    """,
    "CREATE INDEX pooled_members_pool ON pooled_members (pool_id) WHERE pool_id IS NOT NULL",
    # For what stores have moved in some months; other entries are not in it.
    """
    CREATE INDEX points_transactions_pool ON points_transactions (merchant_id, at)
    WHERE source = 'pool'
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
