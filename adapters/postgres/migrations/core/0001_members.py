"""Core: the versions of each shop's program, the members' profiles, and what of a plan is used."""

from alembic import op

revision = "0001"
down_revision = None

_AT = "coalesce(last_order_at, CAST('-infinity' AS timestamptz))"

_STATEMENTS = (
    """
    CREATE TABLE program_settings (
        merchant_id uuid NOT NULL,
        version integer NOT NULL,
        settings jsonb NOT NULL,
        at timestamptz NOT NULL,
        by text NOT NULL,
        PRIMARY KEY (merchant_id, version)
    )
    """,
    """
    CREATE TABLE customers (
        merchant_id uuid NOT NULL,
        customer_id uuid NOT NULL,
        shopify_customer_id text NOT NULL,
        recency smallint NOT NULL,
        frequency smallint NOT NULL,
        monetary smallint NOT NULL,
        segment text NOT NULL,
        orders integer NOT NULL,
        spent numeric NOT NULL,
        last_order_at timestamptz,
        rfm_version bigint NOT NULL,
        tier text NOT NULL,
        tier_version bigint NOT NULL,
        created_at timestamptz NOT NULL,
        version bigint NOT NULL,
        PRIMARY KEY (merchant_id, customer_id)
    )
    """,
    f"CREATE INDEX customers_newest ON customers (merchant_id, ({_AT}), customer_id)",
    f"""
    CREATE INDEX customers_of_segment
    ON customers (merchant_id, segment, ({_AT}), customer_id)
    """,
    """
    CREATE TABLE member_counts (
        merchant_id uuid PRIMARY KEY,
        members bigint NOT NULL
    ) WITH (fillfactor = 50)
    """,
    # What has been counted, so that nothing is counted twice; by month, so that old ones can go.
    """
    CREATE TABLE usage_orders (
        merchant_id uuid NOT NULL,
        month date NOT NULL,
        order_id text NOT NULL,
        PRIMARY KEY (merchant_id, month, order_id)
    )
    """,
    """
    CREATE TABLE usage (
        merchant_id uuid NOT NULL,
        month date NOT NULL,
        orders integer NOT NULL,
        PRIMARY KEY (merchant_id, month)
    ) WITH (fillfactor = 50)
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
