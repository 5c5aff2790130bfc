"""Which key each person is sealed with, and the shops whose people are being sealed anew."""

from alembic import op

revision = "0003"
down_revision = "0002"

_STATEMENTS = (
    # Generated, and so as stored: what finds a row by its key does not change with each new text.
    """
    ALTER TABLE users
        ADD COLUMN sealed_contact_key text
            GENERATED ALWAYS AS (split_part(sealed_contact, '.', 2)) STORED,
        ADD COLUMN sealed_birthday_key text
            GENERATED ALWAYS AS (split_part(sealed_birthday, '.', 2)) STORED
    """,
    """
    CREATE INDEX users_contact_key ON users (merchant_id, sealed_contact_key)
    WHERE sealed_contact_key <> ''
    """,
    """
    CREATE INDEX users_birthday_key ON users (merchant_id, sealed_birthday_key)
    WHERE sealed_birthday_key <> ''
    """,
    # Whom a text is about, where that is somebody who was merged into this person.
    "ALTER TABLE users ADD COLUMN contact_of uuid, ADD COLUMN birthday_of uuid",
    # They were made with the data key, and are made with the index key now.
    "UPDATE users SET name_index = NULL WHERE name_index IS NOT NULL",
    """
    CREATE TABLE resealing (
        merchant_id uuid PRIMARY KEY,
        after uuid NOT NULL,
        due_at timestamptz NOT NULL
    )
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
