"""A member who was merged into another has the other's wallet."""

from alembic import op

revision = "0002"
down_revision = "0001"

_STATEMENTS = (
    "ALTER TABLE wallets ADD COLUMN merged_into uuid",
    # Of two merges that name a member, the one with the higher version says whose wallet is theirs.
    "ALTER TABLE wallets ADD COLUMN merge_version bigint NOT NULL DEFAULT 0",
    """
    CREATE INDEX wallets_merged ON wallets (merchant_id, merged_into)
    WHERE merged_into IS NOT NULL
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
