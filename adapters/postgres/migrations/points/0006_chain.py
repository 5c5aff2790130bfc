"""The chain of hashes over each shop's entries."""

from alembic import op

from adapters.postgres.tenancy import ACROSS_ROLE

revision = "0006"
down_revision = "0005"

_STATEMENTS = (
    # Which transaction wrote an entry: what is older than every running one is complete. Entries
    # from before this column are of transaction 0.
    "ALTER TABLE points_transactions ADD COLUMN tx bigint NOT NULL DEFAULT 0",
    """
    ALTER TABLE points_transactions
    ALTER COLUMN tx SET DEFAULT (CAST(CAST(pg_current_xact_id() AS text) AS bigint))
    """,
    "CREATE INDEX points_transactions_tx ON points_transactions (tx)",
    """
    CREATE TABLE chain_blocks (
        merchant_id uuid NOT NULL,
        number bigint NOT NULL,
        prev_hash bytea NOT NULL,
        hash bytea NOT NULL,
        entry_ids uuid[] NOT NULL,
        digests bytea[] NOT NULL,
        count integer NOT NULL,
        sealed_at timestamptz NOT NULL,
        PRIMARY KEY (merchant_id, number)
    )
    """,
    # Hashes and ids cannot be compressed, and trying costs time.
    """
    ALTER TABLE chain_blocks
    ALTER COLUMN entry_ids SET STORAGE EXTERNAL, ALTER COLUMN digests SET STORAGE EXTERNAL
    """,
    """
    CREATE TRIGGER chain_blocks_append_only
    BEFORE UPDATE OR DELETE ON chain_blocks
    FOR EACH ROW EXECUTE FUNCTION refuse_change()
    """,
    # How far sealing is; one row. ``shift`` is what the numbers of transactions are counted from,
    # and ``cluster`` tells whether the server is still the one that they are of.
    """
    CREATE TABLE chain_progress (
        one boolean PRIMARY KEY CHECK (one),
        sealed_to bigint NOT NULL,
        shift bigint NOT NULL,
        cluster bigint NOT NULL,
        sweeping boolean NOT NULL
    )
    """,
    """
    INSERT INTO chain_progress
    SELECT true, 1, 0, system_identifier, EXISTS (SELECT FROM points_transactions)
    FROM pg_control_system()
    """,
    # A server that a dump was restored to counts transactions from its own beginning. From here on
    # they count from above all that there are, and what was posted meanwhile is swept up.
    """
    CREATE FUNCTION count_transactions_on() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
    DECLARE above bigint;
    BEGIN
        PERFORM set_config('loyalnest.migrating', 'on', true);
        LOCK TABLE points_transactions IN ACCESS EXCLUSIVE MODE;
        SELECT greatest(p.sealed_to, (SELECT max(tx) + 1 FROM points_transactions))
        INTO above FROM chain_progress p;
        EXECUTE format(
            'ALTER TABLE points_transactions ALTER COLUMN tx'
            ' SET DEFAULT (CAST(CAST(pg_current_xact_id() AS text) AS bigint) + %s)', above
        );
        UPDATE chain_progress SET shift = above, sweeping = true,
            cluster = (SELECT system_identifier FROM pg_control_system());
        PERFORM set_config('loyalnest.migrating', '', true);
    END $$
    """,
    "REVOKE EXECUTE ON FUNCTION count_transactions_on() FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION count_transactions_on() TO {ACROSS_ROLE}",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
