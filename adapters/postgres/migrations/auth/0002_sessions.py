"""Sessions, their refresh tokens as keyed hashes, and what access tokens are refused for."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # LoyalNest's own staff belong to no shop. Of a session's refresh tokens the newest is in its
    # row, with the one before and what the newest was made from it with. Used ones stay until they
    # would have expired, so that using one again is noticed.
    op.execute(
        """
        CREATE TABLE sessions (
            session_id uuid PRIMARY KEY,
            merchant_id uuid,
            audience text NOT NULL,
            subject text NOT NULL,
            customer_id uuid,
            role text NOT NULL,
            impersonator text NOT NULL,
            device text NOT NULL,
            opened_at timestamptz NOT NULL,
            refreshed_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            ends_at timestamptz,
            revoked_at timestamptz,
            revoked_because text,
            token_hash bytea NOT NULL UNIQUE,
            used_hash bytea,
            salt bytea
        )
        """
    )
    op.execute("CREATE INDEX sessions_of_subject ON sessions (subject, session_id)")
    op.execute(
        "CREATE INDEX sessions_of_merchant ON sessions (merchant_id) WHERE revoked_at IS NULL"
    )
    op.execute("CREATE INDEX sessions_of_impersonator ON sessions (impersonator)")
    op.execute("CREATE INDEX sessions_by_end ON sessions (expires_at)")
    op.execute(
        """
        CREATE TABLE used_refresh_tokens (
            token_hash bytea PRIMARY KEY,
            session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
            expires_at timestamptz NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX used_tokens_of_session ON used_refresh_tokens (session_id)")
    op.execute("CREATE INDEX used_tokens_by_end ON used_refresh_tokens (expires_at)")
    op.execute(
        """
        CREATE TABLE revocations (
            kind text NOT NULL CHECK (kind IN ('session', 'token')),
            id text NOT NULL,
            recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            expires_at timestamptz NOT NULL,
            PRIMARY KEY (kind, id)
        )
        """
    )
    op.execute("CREATE INDEX revocations_by_time ON revocations (recorded_at)")
