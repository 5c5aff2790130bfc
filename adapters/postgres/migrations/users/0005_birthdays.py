"""Whose birthday it may be is found by a number that stands for a few days of the year."""

from alembic import op

revision = "0005"
down_revision = "0004"

_STATEMENTS = (
    "ALTER TABLE users ADD COLUMN birthday_days smallint",
    """
    CREATE INDEX users_birthday_days ON users (merchant_id, birthday_days, user_id)
    WHERE birthday_days IS NOT NULL
    """,
    # Those whose birthday was known before.
    """
    CREATE INDEX users_birthday_unplaced ON users (merchant_id, user_id)
    WHERE sealed_birthday <> '' AND birthday_days IS NULL AND kind = 'customer'
    """,
    # Up to where each shop's birthdays are told; never due where none are celebrated.
    """
    CREATE TABLE birthday_days (
        merchant_id uuid PRIMARY KEY,
        version integer NOT NULL,
        time_zone text NOT NULL,
        day date NOT NULL,
        after uuid NOT NULL,
        due_at timestamptz
    )
    """,
    "CREATE INDEX birthday_days_due ON birthday_days (due_at)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
