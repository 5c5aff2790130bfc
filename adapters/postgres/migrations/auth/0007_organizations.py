"""Organisations of shops, each with a key of its own, and the codes that let shops in."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE organizations (
            organization_id uuid PRIMARY KEY,
            name text NOT NULL,
            created_at timestamptz NOT NULL,
            key_id text NOT NULL,
            wrapped_key text NOT NULL,
            not_rewrapped text NOT NULL DEFAULT ''
        )
        """
    )
    # The row of a shop that has left stays, with its version: what it said before is older.
    op.execute(
        """
        CREATE TABLE organization_shops (
            merchant_id uuid PRIMARY KEY REFERENCES merchants,
            version integer NOT NULL,
            organization_id uuid,
            joined_at timestamptz,
            joined_with bytea NOT NULL,
            CHECK ((organization_id IS NULL) = (joined_at IS NULL))
        )
        """
    )
    op.execute(
        "CREATE INDEX organization_shops_in ON organization_shops (organization_id)"
        " WHERE organization_id IS NOT NULL"
    )
    # One for each shop. Of codes only digests are kept: who reads the table can use none of them.
    op.execute(
        """
        CREATE TABLE organization_invitations (
            merchant_id uuid PRIMARY KEY REFERENCES merchants,
            organization_id uuid NOT NULL,
            digest bytea NOT NULL UNIQUE,
            created_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL
        )
        """
    )
    op.execute(
        """
        CREATE TABLE organization_wrong_codes (
            merchant_id uuid PRIMARY KEY REFERENCES merchants,
            failures double precision NOT NULL,
            last_at timestamptz
        )
        """
    )
