"""Sessions, their refresh tokens as keyed hashes, and what access tokens are refused for."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # LoyalNest's own staff belong to no shop. A used refresh token stays until it would have
    # expired, so that using it again is noticed; salt is what its successor was made with.
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
            revoked_because text
        )
        """
    )
    op.execute("CREATE INDEX sessions_of_subject ON sessions (subject, opened_at)")
    op.execute(
        "CREATE INDEX sessions_of_merchant ON sessions (merchant_id) WHERE revoked_at IS NULL"
    )
    op.execute("CREATE INDEX sessions_by_end ON sessions (expires_at)")
    op.execute(
        """
        CREATE TABLE refresh_tokens (
            token_hash bytea PRIMARY KEY,
            session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
            issued_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            used_at timestamptz,
            salt bytea
        )
        """
    )
    op.execute("CREATE INDEX refresh_tokens_of_session ON refresh_tokens (session_id)")
    op.execute("CREATE INDEX refresh_tokens_by_end ON refresh_tokens (expires_at)")
    op.execute(
        """
        CREATE TABLE revocations (
            id text PRIMARY KEY,
            recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            expires_at timestamptz NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX revocations_by_time ON revocations (recorded_at)")
