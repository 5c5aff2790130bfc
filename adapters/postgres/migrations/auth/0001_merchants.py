"""The shops that use LoyalNest, each with its wrapped data key."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE merchants (
            merchant_id uuid PRIMARY KEY,
            shop_domain text NOT NULL UNIQUE,
            status text NOT NULL CHECK (status IN ('active', 'suspended', 'uninstalled')),
            currency text NOT NULL,
            time_zone text NOT NULL,
            wrapped_key text NOT NULL,
            installed_at timestamptz NOT NULL,
            seen_at timestamptz NOT NULL,
            changed_at timestamptz NOT NULL
        )
        """
    )
