"""Who has which role, what a role inherits, and how often each shop's roles have changed."""

from alembic import op

revision = "0002"
down_revision = "0001"

_STATEMENTS = (
    "ALTER TABLE roles ADD COLUMN inherits jsonb NOT NULL DEFAULT '[]'",
    """
    CREATE TABLE assignments (
        merchant_id uuid NOT NULL,
        subject text NOT NULL,
        role text NOT NULL,
        updated_at timestamptz NOT NULL,
        PRIMARY KEY (merchant_id, subject)
    )
    """,
    "CREATE INDEX assignments_role ON assignments (merchant_id, role)",
    "CREATE TABLE changes (merchant_id uuid PRIMARY KEY, version bigint NOT NULL)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
