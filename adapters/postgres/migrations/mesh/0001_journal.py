"""The tables every service has: outbox, inbox, and the answers given to idempotency keys."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE outbox (
            id uuid PRIMARY KEY,
            subject text NOT NULL,
            payload text NOT NULL,
            at timestamptz NOT NULL,
            trace text NOT NULL,
            actor text NOT NULL DEFAULT ''
        ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000)
        """
    )
    op.execute(
        """
        CREATE TABLE inbox (
            id uuid NOT NULL,
            consumer text NOT NULL,
            at timestamptz NOT NULL,
            PRIMARY KEY (id, consumer)
        )
        """
    )
    # Rows arrive in the order of time, so a block range index finds the old ones at no cost.
    op.execute("CREATE INDEX inbox_at ON inbox USING brin (at)")
    op.execute(
        """
        CREATE TABLE answers (
            merchant_id uuid NOT NULL,
            operation text NOT NULL,
            key text NOT NULL,
            input_hash bytea NOT NULL,
            answer bytea,
            at timestamptz NOT NULL,
            PRIMARY KEY (merchant_id, operation, key)
        )
        """
    )
    op.execute("CREATE INDEX answers_at ON answers USING brin (at)")
