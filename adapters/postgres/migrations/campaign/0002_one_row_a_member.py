"""What members buy is rfm's to know; here a member is one row, with what they climb with and where
they stand."""

from alembic import op

revision = "0002"
down_revision = "0001"

_STATEMENTS = (
    """
    ALTER TABLE vip_tiers
        ADD COLUMN shopify_customer_id text NOT NULL DEFAULT '',
        ADD COLUMN orders integer NOT NULL DEFAULT 0,
        ADD COLUMN spent numeric NOT NULL DEFAULT 0,
        ADD COLUMN heard bigint NOT NULL DEFAULT 0,
        ALTER COLUMN assigned_at DROP NOT NULL
    """,
    """
    INSERT INTO vip_tiers AS t (
        merchant_id, customer_id, tier, version, shopify_customer_id, orders, spent
    )
    SELECT merchant_id, customer_id, '', 0, shopify_customer_id, orders, spent FROM profiles
    ON CONFLICT (merchant_id, customer_id) DO UPDATE SET
        shopify_customer_id = excluded.shopify_customer_id, orders = excluded.orders,
        spent = excluded.spent
    """,
    # Every order of a member changes the row, and no index.
    "ALTER TABLE vip_tiers SET (fillfactor = 80)",
    "DROP TABLE profiles, orders, refunds",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
