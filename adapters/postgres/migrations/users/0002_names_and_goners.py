"""People can be found by name, deleted, and merged into another."""

from alembic import op

revision = "0002"
down_revision = "0001"

_STATEMENTS = (
    # Without a default: NULL says that it was not worked out yet, as for all who were here before.
    "ALTER TABLE users ADD COLUMN name_index integer[]",
    "CREATE INDEX users_named ON users USING gin (name_index)",
    "CREATE INDEX users_unnamed ON users (merchant_id, user_id) WHERE name_index IS NULL",
    # Of who is gone the row stays, so that late news cannot bring them back.
    "ALTER TABLE users ADD COLUMN gone_at timestamptz",
    "ALTER TABLE users ADD COLUMN merged_into uuid",
    """
    CREATE INDEX users_merged ON users (merchant_id, merged_into)
    WHERE merged_into IS NOT NULL
    """,
    "CREATE SEQUENCE merge_versions",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
