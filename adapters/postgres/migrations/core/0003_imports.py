"""How far a shop's customers and orders of before have been brought in."""

from alembic import op

revision = "0003"
down_revision = "0002"

_STATEMENTS = (
    """
    CREATE TABLE imports (
        merchant_id uuid PRIMARY KEY,
        import_id uuid NOT NULL,
        state text NOT NULL,
        phase text NOT NULL,
        export_id text NOT NULL,
        read_to bigint NOT NULL,
        found bigint NOT NULL,
        customers bigint NOT NULL,
        orders bigint NOT NULL,
        skipped bigint NOT NULL,
        tries integer NOT NULL,
        problem text NOT NULL,
        started_at timestamptz NOT NULL,
        finished_at timestamptz,
        claim bigint NOT NULL,
        due_at timestamptz
    )
    """,
    "CREATE INDEX imports_due ON imports (due_at) WHERE due_at IS NOT NULL",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
