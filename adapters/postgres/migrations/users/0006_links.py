"""Members of an organisation's shops who are one person share a pool."""

from alembic import op

revision = "0006"
down_revision = "0005"

_STATEMENTS = (
    # pool_id is where somebody belongs, linked_pool_id what was said of them last. link_as_of is
    # the version of their shop's membership for which pool_id was worked out, and 0 when they have
    # changed since: so all are to be worked out when a shop joins or leaves, without touching them.
    """
    ALTER TABLE users
        ADD COLUMN email_verified boolean NOT NULL DEFAULT false,
        ADD COLUMN pool_id uuid,
        ADD COLUMN linked_pool_id uuid,
        ADD COLUMN link_version integer NOT NULL DEFAULT 0,
        ADD COLUMN link_as_of integer NOT NULL DEFAULT 0
    """,
    """
    CREATE INDEX users_link_as_of ON users (merchant_id, link_as_of, user_id)
    WHERE kind = 'customer'
    """,
    "CREATE INDEX users_pool ON users (merchant_id, pool_id) WHERE pool_id IS NOT NULL",
    """
    CREATE INDEX users_linked ON users (merchant_id, linked_pool_id)
    WHERE linked_pool_id IS NOT NULL
    """,
    """
    CREATE TABLE organization_shops (
        merchant_id uuid PRIMARY KEY,
        version integer NOT NULL,
        organization_id uuid
    )
    """,
    # Those who asked to be forgotten.
    """
    CREATE TABLE unlinkable (
        merchant_id uuid NOT NULL,
        user_id uuid NOT NULL,
        PRIMARY KEY (merchant_id, user_id)
    )
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
