"""Members whom their shop has deleted are in no segment."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("ALTER TABLE customer_segments ADD COLUMN departed boolean NOT NULL DEFAULT false")
