"""The ledger: facts of orders and refunds, append-only entries, wallets, programs."""

from alembic import op

from adapters.postgres.tables import PROGRAMS

revision = "0001"
down_revision = None

_STATEMENTS = (
    """
    CREATE TABLE orders (
        merchant_id uuid NOT NULL,
        order_id text NOT NULL,
        customer_id uuid NOT NULL,
        currency text NOT NULL,
        financial_status text NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        merchandise numeric NOT NULL,
        shipping numeric NOT NULL,
        tax numeric NOT NULL,
        test boolean NOT NULL,
        paid_at timestamptz,
        cancelled_at timestamptz,
        PRIMARY KEY (merchant_id, order_id)
    )
    """,
    """
    CREATE TABLE refunds (
        merchant_id uuid NOT NULL,
        order_id text NOT NULL,
        refund_id text NOT NULL,
        merchandise numeric NOT NULL,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (merchant_id, order_id, refund_id)
    )
    """,
    """
    CREATE TABLE points_transactions (
        merchant_id uuid NOT NULL,
        customer_id uuid NOT NULL,
        entry_id uuid NOT NULL,
        kind text NOT NULL,
        points bigint NOT NULL,
        pending boolean NOT NULL,
        reason text NOT NULL,
        source text NOT NULL,
        source_ref text NOT NULL,
        rule text NOT NULL,
        line text NOT NULL,
        order_id text NOT NULL,
        waived bigint NOT NULL,
        reverses text,
        snapshot jsonb,
        at timestamptz NOT NULL,
        PRIMARY KEY (merchant_id, customer_id, entry_id)
    )
    """,
    # What makes an entry the same entry: whatever is delivered twice, this holds.
    """
    CREATE UNIQUE INDEX points_transactions_once
    ON points_transactions (merchant_id, source_ref, source, rule, line)
    """,
    """
    CREATE INDEX points_transactions_order ON points_transactions (merchant_id, order_id)
    WHERE order_id <> ''
    """,
    """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the ledger only grows; post a reversal instead';
    END $$
    """,
    """
    CREATE TRIGGER points_transactions_append_only
    BEFORE UPDATE OR DELETE ON points_transactions
    FOR EACH ROW EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TABLE wallets (
        merchant_id uuid NOT NULL,
        customer_id uuid NOT NULL,
        spendable bigint NOT NULL,
        pending bigint NOT NULL,
        spent bigint NOT NULL,
        expired bigint NOT NULL,
        version bigint NOT NULL,
        PRIMARY KEY (merchant_id, customer_id)
    ) WITH (fillfactor = 80)
    """,
    """
    CREATE TABLE maturing (
        merchant_id uuid NOT NULL,
        order_id text NOT NULL,
        matures_at timestamptz NOT NULL,
        PRIMARY KEY (merchant_id, order_id)
    )
    """,
    "CREATE INDEX maturing_at ON maturing (matures_at)",
    PROGRAMS,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
