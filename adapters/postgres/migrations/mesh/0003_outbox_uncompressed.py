"""What waits in the outbox is not compressed: most of it is gone before anybody reads it."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("ALTER TABLE outbox ALTER COLUMN events SET STORAGE EXTERNAL")
