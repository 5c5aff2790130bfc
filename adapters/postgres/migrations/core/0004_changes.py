"""Beside its history, what a shop has changed since is brought in again and again."""

from alembic import op

revision = "0004"
down_revision = "0003"

_STATEMENTS = (
    "ALTER TABLE imports ADD COLUMN kind text NOT NULL DEFAULT 'history'",
    "ALTER TABLE imports ADD COLUMN since timestamptz",
    "ALTER TABLE imports DROP CONSTRAINT imports_pkey, ADD PRIMARY KEY (merchant_id, kind)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
