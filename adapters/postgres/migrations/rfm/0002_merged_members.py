"""What a merged member has ordered is ordered by who stands for them."""

from alembic import op

revision = "0002"
down_revision = "0001"

_STATEMENTS = (
    "ALTER TABLE profiles ADD COLUMN merged_into uuid",
    # Of two merges that name a member, the one with the higher version says who stands for them.
    "ALTER TABLE profiles ADD COLUMN merge_version bigint NOT NULL DEFAULT 0",
    """
    CREATE INDEX profiles_merged ON profiles (merchant_id, merged_into)
    WHERE merged_into IS NOT NULL
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
