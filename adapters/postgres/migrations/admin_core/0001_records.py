"""The audit log, privacy requests and dead letters."""

from alembic import op

revision = "0001"
down_revision = None

_STATEMENTS = (
    # The primary key is the order in which a shop's log is read, so it serves every page of it.
    """
    CREATE TABLE audit_logs (
        merchant_id uuid NOT NULL,
        at timestamptz NOT NULL,
        record_id uuid NOT NULL,
        actor text NOT NULL,
        action text NOT NULL,
        subject text NOT NULL,
        details text NOT NULL,
        PRIMARY KEY (merchant_id, at, record_id)
    )
    """,
    # Looking for one action: the rare ones are found here, the ones that fill the log on every page
    # of it. So the hot path pays for no second index.
    """
    CREATE INDEX audit_logs_rare ON audit_logs (merchant_id, action, at, record_id)
    WHERE action <> 'points.earned' AND action <> 'points.refunded'
        AND action <> 'customer.created' AND action <> 'user.created'
        AND action <> 'vip_tier.assigned' AND action <> 'badge.awarded'
    """,
    """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the audit log only grows';
    END $$
    """,
    """
    CREATE TRIGGER audit_logs_append_only BEFORE UPDATE OR DELETE ON audit_logs
    FOR EACH ROW EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TRIGGER audit_logs_not_emptied BEFORE TRUNCATE ON audit_logs
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TABLE gdpr_requests (
        merchant_id uuid NOT NULL,
        request_id uuid NOT NULL,
        kind text NOT NULL,
        request_key text NOT NULL,
        state text NOT NULL,
        shopify_customer_id text NOT NULL,
        customer_id uuid,
        order_ids text[] NOT NULL,
        sealed_payload text NOT NULL,
        received_at timestamptz NOT NULL,
        due_at timestamptz NOT NULL,
        PRIMARY KEY (merchant_id, request_id),
        UNIQUE (merchant_id, kind, request_key)
    )
    """,
    """
    CREATE TABLE dead_letters (
        merchant_id uuid NOT NULL,
        letter_id uuid NOT NULL,
        event text NOT NULL,
        event_id text NOT NULL,
        subject text NOT NULL,
        consumer text NOT NULL,
        reason text NOT NULL,
        tries integer NOT NULL,
        said_at text NOT NULL,
        trace text NOT NULL,
        died_at timestamptz NOT NULL,
        replayed_at timestamptz,
        payload bytea NOT NULL,
        PRIMARY KEY (merchant_id, letter_id)
    )
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
