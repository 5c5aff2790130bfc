"""Shops whose tasks wait: those that are suspended, or have removed the app."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE closed_shops (
            merchant_id uuid PRIMARY KEY,
            closed boolean NOT NULL,
            changed_at timestamptz NOT NULL
        )
        """
    )
