"""What points buy: rewards, and members' redemptions of them."""

from alembic import op

revision = "0005"
down_revision = "0004"

_STATEMENTS = (
    """
    CREATE TABLE rewards (
        merchant_id uuid NOT NULL,
        reward_id uuid NOT NULL,
        version bigint NOT NULL,
        terms jsonb NOT NULL,
        enabled boolean NOT NULL,
        archived boolean NOT NULL,
        stock bigint,
        taken bigint NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        PRIMARY KEY (merchant_id, reward_id)
    ) WITH (fillfactor = 80)
    """,
    """
    CREATE TABLE reward_redemptions (
        merchant_id uuid NOT NULL,
        redemption_id uuid NOT NULL,
        customer_id uuid NOT NULL,
        shopify_customer_id text NOT NULL,
        reward_id uuid NOT NULL,
        reward_version bigint NOT NULL,
        title text NOT NULL,
        benefit jsonb NOT NULL,
        points bigint NOT NULL,
        paid_by uuid NOT NULL,
        state text NOT NULL,
        created_at timestamptz NOT NULL,
        ends_at timestamptz,
        due_at timestamptz,
        sealed_code text NOT NULL,
        sealed_code_key text GENERATED ALWAYS AS (split_part(sealed_code, '.', 2)) STORED,
        code_digest text NOT NULL,
        returns_on_expiry boolean NOT NULL,
        member_may_cancel boolean NOT NULL,
        taken boolean NOT NULL,
        took_stock boolean NOT NULL,
        tries int NOT NULL,
        external_id text NOT NULL,
        order_id text NOT NULL,
        reason text NOT NULL,
        for_expiry boolean NOT NULL,
        PRIMARY KEY (merchant_id, redemption_id)
    )
    """,
    """
    CREATE INDEX reward_redemptions_member
    ON reward_redemptions (merchant_id, customer_id, redemption_id)
    """,
    """
    CREATE INDEX reward_redemptions_state
    ON reward_redemptions (merchant_id, state, redemption_id)
    """,
    """
    CREATE UNIQUE INDEX reward_redemptions_code ON reward_redemptions (merchant_id, code_digest)
    WHERE code_digest <> ''
    """,
    """
    CREATE INDEX reward_redemptions_order ON reward_redemptions (merchant_id, order_id)
    WHERE order_id <> ''
    """,
    """
    CREATE INDEX reward_redemptions_key ON reward_redemptions (merchant_id, sealed_code_key)
    WHERE sealed_code_key <> ''
    """,
    "CREATE INDEX reward_redemptions_due ON reward_redemptions (due_at) WHERE due_at IS NOT NULL",
    """
    CREATE INDEX reward_redemptions_in_doubt ON reward_redemptions (merchant_id)
    WHERE state = 'in_doubt'
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
