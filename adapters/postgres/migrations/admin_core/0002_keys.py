"""Which key each privacy request is sealed with, and the shops that have a new one."""

from alembic import op

revision = "0002"
down_revision = "0001"

_STATEMENTS = (
    """
    ALTER TABLE gdpr_requests ADD COLUMN sealed_payload_key text
        GENERATED ALWAYS AS (split_part(sealed_payload, '.', 2)) STORED
    """,
    """
    CREATE INDEX gdpr_requests_key ON gdpr_requests (merchant_id, sealed_payload_key)
    WHERE sealed_payload_key <> ''
    """,
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
