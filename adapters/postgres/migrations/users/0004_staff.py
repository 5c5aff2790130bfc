"""Staff is known by the subject of their log-ins, once they have logged in."""

from alembic import op

revision = "0004"
down_revision = "0003"

_STATEMENTS = (
    "ALTER TABLE users ADD COLUMN subject text NOT NULL DEFAULT ''",
    "CREATE UNIQUE INDEX users_subject ON users (merchant_id, subject) WHERE subject <> ''",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
