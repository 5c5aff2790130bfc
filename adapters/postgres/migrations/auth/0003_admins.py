"""LoyalNest's own staff, their log-ins, and when they acted as a shop's staff."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    # Admins belong to no shop. Addresses and authenticators are sealed under one key, tokens and
    # recovery codes are there as digests only.
    op.execute(
        """
        CREATE TABLE admin_data_key (
            one boolean PRIMARY KEY DEFAULT true CHECK (one),
            wrapped_key text NOT NULL
        )
        """
    )
    op.execute(
        """
        CREATE TABLE admin_users (
            admin_id uuid PRIMARY KEY,
            email_index text NOT NULL UNIQUE CHECK (email_index <> ''),
            sealed_email text NOT NULL,
            role text NOT NULL,
            status text NOT NULL CHECK (status IN ('active', 'disabled')),
            password_hash text NOT NULL,
            sealed_secret text NOT NULL,
            last_step bigint NOT NULL,
            created_at timestamptz NOT NULL,
            signed_out_at timestamptz NOT NULL,
            logged_in_at timestamptz
        )
        """
    )
    op.execute(
        """
        CREATE TABLE admin_recovery_codes (
            admin_id uuid NOT NULL REFERENCES admin_users,
            digest text NOT NULL,
            PRIMARY KEY (admin_id, digest)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE admin_devices (
            admin_id uuid NOT NULL REFERENCES admin_users,
            digest bytea NOT NULL,
            used_at timestamptz NOT NULL,
            PRIMARY KEY (admin_id, digest)
        )
        """
    )
    # Also of accounts that nobody has: those must not be told apart.
    op.execute(
        """
        CREATE TABLE admin_failures (
            account text NOT NULL,
            bucket text NOT NULL,
            failures double precision NOT NULL,
            last_at timestamptz NOT NULL,
            PRIMARY KEY (account, bucket)
        )
        """
    )
    op.execute("CREATE INDEX admin_failures_by_time ON admin_failures (last_at)")
    op.execute(
        """
        CREATE TABLE admin_challenges (
            digest bytea PRIMARY KEY,
            admin_id uuid NOT NULL REFERENCES admin_users,
            step text NOT NULL CHECK (step IN ('code', 'enrol')),
            device text NOT NULL,
            sealed_secret text NOT NULL,
            tries integer NOT NULL,
            began_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL
        )
        """
    )
    op.execute(
        "CREATE TABLE admin_errands (digest bytea PRIMARY KEY, expires_at timestamptz NOT NULL)"
    )
    op.execute(
        """
        CREATE TABLE admin_invitations (
            invitation_id uuid PRIMARY KEY,
            digest bytea NOT NULL UNIQUE,
            email_index text NOT NULL UNIQUE CHECK (email_index <> ''),
            sealed_email text NOT NULL,
            role text NOT NULL,
            invited_by text NOT NULL,
            created_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL
        )
        """
    )
    op.execute(
        """
        CREATE TABLE impersonation_sessions (
            impersonation_id uuid PRIMARY KEY,
            merchant_id uuid NOT NULL,
            admin_id uuid NOT NULL,
            staff_name text NOT NULL,
            role text NOT NULL,
            reason text NOT NULL,
            started_at timestamptz NOT NULL,
            ends_at timestamptz NOT NULL,
            ended_at timestamptz,
            ended_by text NOT NULL
        )
        """
    )
    op.execute(
        "CREATE INDEX impersonations_of_merchant"
        " ON impersonation_sessions (merchant_id, impersonation_id)"
    )
    op.execute(
        "CREATE INDEX impersonations_open ON impersonation_sessions (ends_at)"
        " WHERE ended_at IS NULL"
    )
