"""Campaigns: what members bought, their VIP tiers and how many members each tier has."""

from alembic import op

from adapters.postgres.tables import PROGRAMS, PURCHASES, WALKS

revision = "0001"
down_revision = None

_STATEMENTS = (
    *PURCHASES,
    PROGRAMS,
    WALKS,
    """
    CREATE TABLE vip_tiers (
        merchant_id uuid NOT NULL,
        customer_id uuid NOT NULL,
        tier text NOT NULL,
        version bigint NOT NULL,
        assigned_at timestamptz NOT NULL,
        PRIMARY KEY (merchant_id, customer_id)
    )
    """,
    """
    CREATE TABLE vip_tier_counts (
        merchant_id uuid NOT NULL,
        tier text NOT NULL,
        members bigint NOT NULL,
        PRIMARY KEY (merchant_id, tier)
    ) WITH (fillfactor = 50)
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
