"""Points live in lots, and lots may expire."""

from alembic import op

revision = "0004"
down_revision = "0003"

_STATEMENTS = (
    # Which lots an entry used, what it undoes, and how long the lot lives that it opened.
    """
    ALTER TABLE points_transactions
    ADD COLUMN uses jsonb, ADD COLUMN undoes uuid,
    ADD COLUMN expires_at timestamptz, ADD COLUMN idle_days integer
    """,
    """
    CREATE UNIQUE INDEX points_transactions_undone ON points_transactions (merchant_id, undoes)
    WHERE undoes IS NOT NULL
    """,
    # When the member last earned or spent.
    "ALTER TABLE wallets ADD COLUMN active_at timestamptz",
    """
    UPDATE wallets w SET active_at = (
        SELECT max(t.at) FROM points_transactions t
        WHERE t.merchant_id = w.merchant_id AND t.customer_id = w.customer_id
            AND t.kind IN ('earn', 'redeem', 'referral', 'campaign', 'badge', 'pos')
    )
    """,
    # Only lots that something is left of.
    """
    CREATE TABLE lots (
        merchant_id uuid NOT NULL,
        customer_id uuid NOT NULL,
        lot_id uuid NOT NULL,
        points bigint NOT NULL,
        remaining bigint NOT NULL CHECK (remaining > 0),
        opened_at timestamptz NOT NULL,
        expires_at timestamptz,
        idle_days integer NOT NULL,
        order_id text NOT NULL,
        PRIMARY KEY (merchant_id, customer_id, lot_id)
    )
    """,
    # What there was before there were lots is one that never expires, named as any: by an entry.
    """
    INSERT INTO lots
    SELECT w.merchant_id, w.customer_id, t.entry_id, w.spendable, w.spendable, t.at, NULL, 0, ''
    FROM wallets w, LATERAL (
        SELECT entry_id, at FROM points_transactions
        WHERE merchant_id = w.merchant_id AND customer_id = w.customer_id
        ORDER BY entry_id DESC LIMIT 1
    ) AS t
    WHERE w.spendable > 0
    """,
    # Wallets to look at, because something in them expires or is to be warned of.
    """
    CREATE TABLE expiring (
        merchant_id uuid NOT NULL,
        customer_id uuid NOT NULL,
        due_at timestamptz NOT NULL,
        looked_at timestamptz NOT NULL,
        PRIMARY KEY (merchant_id, customer_id)
    ) WITH (fillfactor = 80)
    """,
    "CREATE INDEX expiring_due ON expiring (due_at)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
