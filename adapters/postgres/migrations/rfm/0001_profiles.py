"""RFM: what members bought, their scores, the segments' counts and the scores' history."""

from alembic import op

from adapters.postgres.tables import PROGRAMS, PURCHASES, WALKS

revision = "0001"
down_revision = None

_STATEMENTS = (
    *PURCHASES,
    PROGRAMS,
    WALKS,
    """
    CREATE TABLE customer_segments (
        merchant_id uuid NOT NULL,
        customer_id uuid NOT NULL,
        recency smallint NOT NULL,
        frequency smallint NOT NULL,
        monetary smallint NOT NULL,
        segment text NOT NULL,
        scored_at timestamptz NOT NULL,
        decays_at timestamptz,
        version bigint NOT NULL,
        PRIMARY KEY (merchant_id, customer_id)
    )
    """,
    "CREATE INDEX customer_segments_decay ON customer_segments (decays_at)",
    """
    CREATE TABLE rfm_segment_counts (
        merchant_id uuid NOT NULL,
        segment text NOT NULL,
        members bigint NOT NULL,
        PRIMARY KEY (merchant_id, segment)
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE rfm_score_history (
        merchant_id uuid NOT NULL,
        customer_id uuid NOT NULL,
        version bigint NOT NULL,
        recency smallint NOT NULL,
        frequency smallint NOT NULL,
        monetary smallint NOT NULL,
        segment text NOT NULL,
        at timestamptz NOT NULL,
        PRIMARY KEY (merchant_id, customer_id, version)
    )
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
