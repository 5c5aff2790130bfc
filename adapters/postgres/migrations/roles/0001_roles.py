"""The roles of each shop; a built-in role has no permissions of its own here."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE roles (
            merchant_id uuid NOT NULL,
            name text NOT NULL,
            role_id uuid NOT NULL UNIQUE,
            permissions jsonb,
            updated_at timestamptz NOT NULL,
            PRIMARY KEY (merchant_id, name)
        )
        """
    )
