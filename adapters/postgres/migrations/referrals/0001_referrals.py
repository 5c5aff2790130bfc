"""Referrals: links, referrals in their states, addresses, first orders, programs."""

from alembic import op

revision = "0001"
down_revision = None

_STATEMENTS = (
    """
    CREATE TABLE referral_links (
        merchant_id uuid NOT NULL,
        customer_id uuid NOT NULL,
        code text NOT NULL,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        PRIMARY KEY (merchant_id, customer_id),
        UNIQUE (merchant_id, code)
    )
    """,
    """
    CREATE TABLE referrals (
        merchant_id uuid NOT NULL,
        id uuid NOT NULL,
        state text NOT NULL,
        advocate_id uuid NOT NULL,
        code text NOT NULL,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        friend_id uuid NOT NULL,
        friend_index text NOT NULL,
        claimed_at timestamptz NOT NULL,
        order_id text,
        ordered_at timestamptz,
        completed_at timestamptz,
        expired_at timestamptz,
        cancelled_at timestamptz,
        blocked_at timestamptz,
        reason text,
        PRIMARY KEY (merchant_id, id)
    )
    """,
    "CREATE INDEX referrals_advocate ON referrals (merchant_id, advocate_id, id)",
    "CREATE INDEX referrals_friend ON referrals (merchant_id, friend_id)",
    """
    CREATE INDEX referrals_friend_index ON referrals (merchant_id, friend_index)
    WHERE friend_index <> ''
    """,
    # Every order looks here: as small as the claims that still wait for one.
    """
    CREATE INDEX referrals_waiting_friend ON referrals (merchant_id, friend_id)
    WHERE state = 'claimed'
    """,
    """
    CREATE INDEX referrals_waiting_index ON referrals (merchant_id, friend_index)
    WHERE state = 'claimed'
    """,
    "CREATE INDEX referrals_overdue ON referrals (expires_at) WHERE state = 'claimed'",
    """
    CREATE TABLE addresses (
        merchant_id uuid NOT NULL,
        email_index text NOT NULL,
        customer_id uuid NOT NULL,
        PRIMARY KEY (merchant_id, email_index, customer_id)
    )
    """,
    "CREATE INDEX addresses_customer ON addresses (merchant_id, customer_id)",
    """
    CREATE TABLE first_orders (
        merchant_id uuid NOT NULL,
        customer_id uuid NOT NULL,
        order_id text NOT NULL,
        currency text NOT NULL,
        financial_status text NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        merchandise numeric NOT NULL,
        shipping numeric NOT NULL,
        tax numeric NOT NULL,
        paid_at timestamptz,
        cancelled_at timestamptz,
        PRIMARY KEY (merchant_id, customer_id, order_id)
    ) WITH (fillfactor = 90)
    """,
    """
    CREATE TABLE programs (
        merchant_id uuid PRIMARY KEY,
        version integer NOT NULL,
        settings jsonb NOT NULL
    )
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
