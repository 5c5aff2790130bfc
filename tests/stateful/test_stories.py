"""Whatever happens in whatever order, the points are those of the model; on every store.

`./dev.sh soak` does the same for longer.
"""

import pytest

from tests.stateful.pooled_story import PooledStory
from tests.stateful.story import Story
from tests.stateful.telling import Place, tell

pytestmark = pytest.mark.slow


def test_the_ledger_is_where_the_model_is(place: Place, steps: int) -> None:
    tell(Story, place, steps)


def test_what_stores_share_is_where_the_model_is(place: Place, steps: int) -> None:
    """No point is made or lost on its way from store to store."""
    tell(PooledStory, place, steps)
