"""One row of the outbox holds all that a transaction says, instead of one row for each event."""

from alembic import op

revision = "0002"
down_revision = "0001"

_STATEMENTS = (
    "ALTER TABLE outbox ADD COLUMN events text",
    # What waits to be published is kept: each event is a batch of its own.
    """
    UPDATE outbox SET events = json_build_array(
        json_build_array(id, subject, CAST(payload AS json), at, trace, actor)
    )
    """,
    """
    ALTER TABLE outbox
        ALTER COLUMN events SET NOT NULL,
        DROP COLUMN subject, DROP COLUMN payload, DROP COLUMN trace, DROP COLUMN actor
    """,
    "ALTER TABLE outbox SET (autovacuum_vacuum_threshold = 2000)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
