"""The notification texts that shops have written themselves."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE email_templates (
            merchant_id uuid NOT NULL,
            kind text NOT NULL,
            language text NOT NULL,
            subject text NOT NULL,
            body text NOT NULL,
            updated_at timestamptz NOT NULL,
            PRIMARY KEY (merchant_id, kind, language)
        )
        """
    )
