"""Segments: the map from recency and frequency to a name; every one of the 25 cells has one."""

from enum import StrEnum

from domain.rfm.scoring import Score


class Segment(StrEnum):
    CHAMPIONS = "champions"
    LOYAL = "loyal"
    POTENTIAL_LOYALIST = "potential_loyalist"
    NEW = "new"
    PROMISING = "promising"
    NEEDS_ATTENTION = "needs_attention"
    ABOUT_TO_SLEEP = "about_to_sleep"
    AT_RISK = "at_risk"
    CANNOT_LOSE = "cannot_lose"
    HIBERNATING = "hibernating"
    LOST = "lost"


CELLS = {
    Segment.CHAMPIONS: ("54", "55"),
    Segment.LOYAL: ("34", "35", "44", "45"),
    Segment.POTENTIAL_LOYALIST: ("42", "43", "52", "53"),
    Segment.NEW: ("51",),
    Segment.PROMISING: ("41",),
    Segment.NEEDS_ATTENTION: ("33",),
    Segment.ABOUT_TO_SLEEP: ("31", "32"),
    Segment.AT_RISK: ("13", "14", "23", "24"),
    Segment.CANNOT_LOSE: ("15", "25"),
    Segment.HIBERNATING: ("12", "21", "22"),
    Segment.LOST: ("11",),
}
"""Each segment's cells, written as the recency score followed by the frequency score."""

_BY_CELL = {
    (int(cell[0]), int(cell[1])): segment for segment, cells in CELLS.items() for cell in cells
}


def segment_of(score: Score) -> Segment:
    """The segment of a score. Money plays no part: it says what a member is worth, not what they
    are about to do."""
    return _BY_CELL[score.r, score.f]
