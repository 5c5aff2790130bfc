"""Shops that live in another store, or are on their way: who works for a shop keeps to it."""

from alembic import op

revision = "0011"
down_revision = "0010"

_STATEMENTS = (
    # A shop that is not named here lives here.
    """
    CREATE TABLE shop_moves (
        merchant_id uuid PRIMARY KEY,
        standing text NOT NULL,
        at timestamptz NOT NULL
    )
    """,
    # What every transaction of the service begins with (adapters.postgres.moves). It waits for
    # whoever changes where a shop lives, and then sees what it has become; a shop that lives
    # elsewhere ends the transaction.
    """
    CREATE FUNCTION enter_shops() RETURNS void LANGUAGE plpgsql AS $$
    DECLARE elsewhere text;
    BEGIN
        PERFORM pg_advisory_xact_lock_shared(76212);
        SELECT string_agg(CAST(merchant_id AS text), ' ') INTO elsewhere FROM shop_moves
        WHERE merchant_id = ANY (
            CAST(nullif(current_setting('loyalnest.merchants', true), '') AS uuid[])
        );
        IF elsewhere IS NOT NULL THEN
            RAISE EXCEPTION 'this shop does not live here' USING
                ERRCODE = 'LN001', DETAIL = elsewhere;
        END IF;
    END $$
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
