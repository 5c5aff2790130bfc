"""Whether LoyalNest suspended a shop is kept by itself: it outlives a removal of the app."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE merchants
            ADD COLUMN suspended_at timestamptz,
            ADD COLUMN suspended_by text NOT NULL DEFAULT '',
            ADD COLUMN suspension_reason text NOT NULL DEFAULT ''
        """
    )
    op.execute("UPDATE merchants SET suspended_at = changed_at WHERE status = 'suspended'")
    op.execute(
        """
        ALTER TABLE merchants
            ADD CHECK (status <> 'suspended' OR suspended_at IS NOT NULL),
            ADD CHECK (status <> 'active' OR suspended_at IS NULL)
        """
    )
    op.execute(
        "CREATE INDEX merchants_suspended ON merchants (merchant_id) WHERE suspended_at IS NOT NULL"
    )
