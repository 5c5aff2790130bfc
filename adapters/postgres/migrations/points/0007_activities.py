"""What members do besides buying, and how often it counts."""

from alembic import op

revision = "0007"
down_revision = "0006"

_STATEMENTS = (
    # The first of all days stands for all time.
    """
    CREATE TABLE earning_counts (
        merchant_id uuid NOT NULL,
        customer_id uuid NOT NULL,
        rule text NOT NULL,
        day date NOT NULL,
        times bigint NOT NULL,
        points bigint NOT NULL,
        PRIMARY KEY (merchant_id, customer_id, rule, day)
    ) WITH (fillfactor = 80)
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
