"""Access of shops to Shopify, sealed; installations that are under way; tokens used up."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE installs (
            merchant_id uuid PRIMARY KEY REFERENCES merchants,
            sealed_pair text,
            access_expires_at timestamptz NOT NULL,
            refresh_expires_at timestamptz NOT NULL,
            scopes text[] NOT NULL,
            scopes_at timestamptz NOT NULL,
            version bigint NOT NULL
        )
        """
    )
    # Of states and tokens only digests are kept: who reads the table can use none of them.
    op.execute(
        """
        CREATE TABLE install_states (
            digest bytea PRIMARY KEY,
            shop_domain text NOT NULL,
            expires_at timestamptz NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX install_states_by_time ON install_states (expires_at)")
    op.execute(
        "CREATE TABLE spent_tokens (digest bytea PRIMARY KEY, expires_at timestamptz NOT NULL)"
    )
    op.execute("CREATE INDEX spent_tokens_by_time ON spent_tokens (expires_at)")
