"""Who stands for whom once two customers have turned out to be one person."""

from uuid import UUID


def stands_for(*, kept: UUID, merged: UUID, kept_now: UUID, merged_now: UUID) -> UUID | None:
    """Who stands for both from now on, when ``merged`` is merged into ``kept``. None when that is
    how it is.

    ``kept_now`` and ``merged_now`` are who stands for them so far: they themselves, unless they
    were merged before. Two that are one already change places only if the one who goes is the one
    who stands for both: a shop may merge two in one way here and in the other way at Shopify, and
    an account that is gone there must not be the one that is kept.
    """
    if kept_now != merged_now:
        return kept_now
    return kept if merged_now == merged != kept else None
