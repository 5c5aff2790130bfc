"""Gamification: badges, leaderboard scores, time zones."""

from alembic import op

revision = "0001"
down_revision = None

_STATEMENTS = (
    """
    CREATE TABLE customer_badges (
        merchant_id uuid NOT NULL,
        customer_id uuid NOT NULL,
        badge text NOT NULL,
        reason text NOT NULL,
        awarded_at timestamptz NOT NULL,
        PRIMARY KEY (merchant_id, customer_id, badge)
    )
    """,
    # By period first: what is written now lies together, and old days go in one stretch. Updates
    # find room on their page and touch no index.
    """
    CREATE TABLE leaderboard_rankings (
        period text NOT NULL,
        period_key text NOT NULL,
        merchant_id uuid NOT NULL,
        customer_id uuid NOT NULL,
        points bigint NOT NULL,
        PRIMARY KEY (period, period_key, merchant_id, customer_id)
    ) WITH (fillfactor = 70)
    """,
    """
    CREATE TABLE shops (
        merchant_id uuid PRIMARY KEY,
        time_zone text NOT NULL,
        version integer NOT NULL
    )
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
