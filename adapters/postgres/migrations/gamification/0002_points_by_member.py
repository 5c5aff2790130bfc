"""One row for each member holds the points of the current day, week and month, and of all time."""

from alembic import op

revision = "0002"
down_revision = "0001"

_STATEMENTS = (
    # Updates find room on their page and touch no index.
    """
    CREATE TABLE member_points (
        merchant_id uuid NOT NULL,
        customer_id uuid NOT NULL,
        day_key text NOT NULL,
        day_points bigint NOT NULL,
        week_key text NOT NULL,
        week_points bigint NOT NULL,
        month_key text NOT NULL,
        month_points bigint NOT NULL,
        all_points bigint NOT NULL,
        PRIMARY KEY (merchant_id, customer_id)
    ) WITH (fillfactor = 70)
    """,
    """
    INSERT INTO member_points
    SELECT merchant_id, customer_id,
        coalesce(max(period_key) FILTER (WHERE period = 'day'), ''),
        coalesce(max(points) FILTER (WHERE period = 'day'), 0),
        coalesce(max(period_key) FILTER (WHERE period = 'week'), ''),
        coalesce(max(points) FILTER (WHERE period = 'week'), 0),
        coalesce(max(period_key) FILTER (WHERE period = 'month'), ''),
        coalesce(max(points) FILTER (WHERE period = 'month'), 0),
        coalesce(max(points) FILTER (WHERE period = 'all'), 0)
    FROM (
        SELECT DISTINCT ON (merchant_id, customer_id, period) *
        FROM leaderboard_rankings
        ORDER BY merchant_id, customer_id, period, period_key DESC
    ) AS newest
    GROUP BY merchant_id, customer_id
    """,
    "DROP TABLE leaderboard_rankings",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
