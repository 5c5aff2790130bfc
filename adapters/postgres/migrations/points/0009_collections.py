"""Which collections products are in, beside their tags: told by somebody else, by another clock."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE goods_collections (
            merchant_id uuid NOT NULL,
            product_id text NOT NULL,
            collections jsonb NOT NULL,
            version bigint NOT NULL,
            PRIMARY KEY (merchant_id, product_id)
        )
        """
    )
