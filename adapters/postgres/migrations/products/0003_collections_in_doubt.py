"""Collections that the shop has said to be changed, until they are asked for."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE collections_in_doubt (
            merchant_id uuid NOT NULL,
            collection_id text NOT NULL,
            since timestamptz NOT NULL,
            PRIMARY KEY (merchant_id, collection_id)
        )
        """
    )
