"""The work queue and the product-analytics events."""

from alembic import op

revision = "0001"
down_revision = None

_STATEMENTS = (
    # Room in each page for the update that completes a task: it then touches no index. The only
    # other index is on what waits for its time, which most tasks never do.
    """
    CREATE TABLE queue_tasks (
        merchant_id uuid NOT NULL,
        task_id uuid NOT NULL,
        kind text NOT NULL,
        payload text NOT NULL,
        created_by text NOT NULL,
        created_at timestamptz NOT NULL,
        due_at timestamptz,
        state text NOT NULL,
        tries integer NOT NULL,
        last_error text NOT NULL,
        finished_at timestamptz,
        PRIMARY KEY (merchant_id, task_id)
    ) WITH (fillfactor = 60)
    """,
    "CREATE INDEX queue_tasks_due ON queue_tasks (due_at) WHERE due_at IS NOT NULL",
    """
    CREATE TABLE events (
        merchant_id uuid NOT NULL,
        event_id uuid NOT NULL,
        name text NOT NULL,
        properties jsonb NOT NULL,
        actor text NOT NULL,
        at timestamptz NOT NULL,
        PRIMARY KEY (merchant_id, event_id)
    )
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
