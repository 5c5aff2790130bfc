"""Tables that several services have, each in its own database, for their migrations."""

from typing import Final

PROGRAMS: Final = """
    CREATE TABLE programs (
        merchant_id uuid PRIMARY KEY,
        version integer NOT NULL,
        settings jsonb NOT NULL
    )
"""
"""See ``adapters.postgres.programs``."""

PURCHASES: Final = (
    # One row per order, and one for an order of which only refunds are known: then it has no
    # customer yet. What the order adds to its member's profile is worked out by the row itself.
    """
    CREATE TABLE orders (
        merchant_id uuid NOT NULL,
        order_id text NOT NULL,
        customer_id uuid,
        at timestamptz,
        updated_at timestamptz,
        merchandise numeric,
        refunded numeric NOT NULL,
        test boolean NOT NULL,
        cancelled boolean NOT NULL,
        counts boolean NOT NULL GENERATED ALWAYS AS
            (customer_id IS NOT NULL AND NOT test AND NOT cancelled) STORED,
        spend numeric NOT NULL GENERATED ALWAYS AS (
            CASE WHEN customer_id IS NOT NULL AND NOT test AND NOT cancelled
            THEN greatest(0, merchandise - refunded) ELSE 0 END
        ) STORED,
        PRIMARY KEY (merchant_id, order_id)
    ) WITH (fillfactor = 80)
    """,
    "CREATE INDEX orders_of_member ON orders (merchant_id, customer_id, at) WHERE counts",
    """
    CREATE TABLE refunds (
        merchant_id uuid NOT NULL,
        order_id text NOT NULL,
        refund_id text NOT NULL,
        merchandise numeric NOT NULL,
        PRIMARY KEY (merchant_id, order_id, refund_id)
    )
    """,
    """
    CREATE TABLE profiles (
        merchant_id uuid NOT NULL,
        customer_id uuid NOT NULL,
        shopify_customer_id text NOT NULL,
        orders integer NOT NULL,
        spent numeric NOT NULL,
        first_order_at timestamptz,
        last_order_at timestamptz,
        PRIMARY KEY (merchant_id, customer_id)
    ) WITH (fillfactor = 80)
    """,
)
"""See ``adapters.postgres.purchases``."""

WALKS: Final = """
    CREATE TABLE walks (
        merchant_id uuid PRIMARY KEY,
        after uuid NOT NULL
    )
"""
"""See ``adapters.postgres.walks``; walks go through ``profiles``."""
