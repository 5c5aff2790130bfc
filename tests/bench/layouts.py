"""Which services share a process when a benchmark runs on two cores."""

from typing import Final

from tests.rig.stack import Layout, layout_of

# Two processes do the work of most events each, the edge is alone, and the quiet services share
# what is left: on two cores more processes only wait for each other.
ORDERS: Final[Layout] = layout_of(
    "api_gateway+auth+roles | points+gamification | rfm+core+campaign+users+referrals"
    " | admin_core+admin_features+event_tracking+frontend+products"
)
"""All 15."""

EDGE: Final[Layout] = layout_of("api_gateway+auth+roles | points")
"""What answers a webhook or a balance, for benchmarks of the edge alone."""
