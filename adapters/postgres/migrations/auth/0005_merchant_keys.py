"""The keys of shops have versions; which of them changed when; how far a new master key is."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    # merchants.wrapped_key is what shops had before; it moves here, and is empty from then on.
    op.execute(
        """
        CREATE TABLE merchant_keys (
            merchant_id uuid NOT NULL REFERENCES merchants,
            use text NOT NULL CHECK (use IN ('data', 'index')),
            key_id text NOT NULL CHECK (key_id <> ''),
            state text NOT NULL CHECK (state IN ('current', 'retired', 'destroyed')),
            wrapped text NOT NULL,
            not_rewrapped text NOT NULL DEFAULT '',
            created_at timestamptz NOT NULL,
            retired_at timestamptz,
            destroyed_at timestamptz,
            PRIMARY KEY (merchant_id, use, key_id),
            CHECK ((state = 'destroyed') = (wrapped = '')),
            CHECK ((state = 'destroyed') = (destroyed_at IS NOT NULL)),
            CHECK (state <> 'retired' OR retired_at IS NOT NULL)
        )
        """
    )
    op.execute(
        "CREATE UNIQUE INDEX merchant_keys_current ON merchant_keys (merchant_id, use)"
        " WHERE state = 'current'"
    )
    op.execute(
        "CREATE INDEX merchant_keys_retired ON merchant_keys (retired_at, merchant_id)"
        " WHERE state = 'retired'"
    )
    op.execute(
        "CREATE INDEX merchants_without_keys ON merchants (merchant_id) WHERE wrapped_key <> ''"
    )
    op.execute(
        """
        CREATE TABLE key_changes (
            merchant_id uuid PRIMARY KEY REFERENCES merchants,
            version bigint NOT NULL,
            recorded_at timestamptz NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX key_changes_by_time ON key_changes (recorded_at)")
    op.execute("ALTER TABLE admin_data_key ADD COLUMN not_rewrapped text NOT NULL DEFAULT ''")
    op.execute(
        """
        CREATE TABLE master_rotation (
            singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
            prefix text NOT NULL,
            started_at timestamptz NOT NULL,
            finished_at timestamptz
        )
        """
    )
    op.execute(
        """
        ALTER TABLE installs ADD COLUMN sealed_pair_key text
            GENERATED ALWAYS AS (split_part(sealed_pair, '.', 2)) STORED
        """
    )
    op.execute(
        """
        CREATE TABLE resealing (
            merchant_id uuid PRIMARY KEY,
            after uuid NOT NULL,
            due_at timestamptz NOT NULL
        )
        """
    )
