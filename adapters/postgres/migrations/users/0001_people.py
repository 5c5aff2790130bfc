"""The people of each shop, sealed; a blind index is what finds them by e-mail."""

from alembic import op

revision = "0001"
down_revision = None

_STATEMENTS = (
    """
    CREATE TABLE users (
        merchant_id uuid NOT NULL,
        user_id uuid NOT NULL,
        kind text NOT NULL CHECK (kind IN ('customer', 'staff')),
        shopify_customer_id text NOT NULL,
        email_index text NOT NULL,
        sealed_contact text NOT NULL,
        sealed_birthday text NOT NULL,
        language text NOT NULL,
        role text NOT NULL,
        from_order boolean NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        PRIMARY KEY (merchant_id, user_id)
    )
    """,
    # Not unique: shops do have several customers with one address.
    """
    CREATE INDEX users_email ON users (merchant_id, kind, email_index)
    WHERE email_index <> ''
    """,
    "CREATE INDEX users_newest ON users (merchant_id, kind, created_at, user_id)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
