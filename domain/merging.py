"""Who stands for whom once two customers have turned out to be one person."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple
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


class ToldMerge(NamedTuple):
    """``kept_id`` stands for themselves and for ``merged_id``, as of a ``version``."""

    merged_id: UUID
    kept_id: UUID
    version: int


class StandIn(NamedTuple):
    """Who stands for a customer (None: they themselves), as of a version."""

    kept_id: UUID | None = None
    version: int = 0


_THEMSELVES = StandIn()


def learn_merges(
    known: Mapping[UUID, StandIn], told: Iterable[ToldMerge]
) -> Mapping[UUID, StandIn]:
    """Whose stand-in is another one, or known as of a higher version, once ``told`` is believed.

    ``known`` has those whom ``told`` names, where they were merged before, and all for whom one of
    them stands. Of each customer the highest version is believed, so that the same merges, told in
    any order and number, end alike. In the answer nobody's stand-in has one in turn. Who is said
    to stand for themselves has been merged with nobody.
    """
    now = dict(known)
    for merge in told:
        if merge.merged_id == merge.kept_id:
            continue  # following who stands for whom would never end
        for customer, stand_in in (
            (merge.merged_id, StandIn(merge.kept_id, merge.version)),
            (merge.kept_id, StandIn(None, merge.version)),
        ):
            if now.get(customer, _THEMSELVES).version < merge.version:
                now[customer] = stand_in
    direct = {
        customer: stand_in._replace(kept_id=_last(customer, now))
        for customer, stand_in in now.items()
    }
    return {
        customer: stand_in
        for customer, stand_in in direct.items()
        if stand_in != known.get(customer, _THEMSELVES)
    }


def _last(customer: UUID, stand_ins: Mapping[UUID, StandIn]) -> UUID | None:
    """Who stands for whoever stands for ... a customer. Ends, because who stands for somebody as of
    a version has a stand-in as of a higher one only."""
    last = None
    while (following := stand_ins.get(last or customer, _THEMSELVES).kept_id) is not None:
        last = following
    return last
