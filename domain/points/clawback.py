"""Claw-back: how much of what an order earned must have been taken back by now."""

from decimal import Decimal

from domain.points.earning import RuleSnapshot


def clawback_target(snapshot: RuleSnapshot, refunded: Decimal) -> int:
    """Points to be taken back **in total** once ``refunded`` of the merchandise (shop currency)
    went back, 0 up to what the order earned.

    Everything once all merchandise went back, shipping kept or not; before that the proportional
    share with fractions dropped, in the member's favour. Because it is a target and not a step,
    any split of a refund, in any order, ends at the same number.
    """
    if refunded <= 0 or snapshot.merchandise <= 0:
        return 0
    if refunded >= snapshot.merchandise:
        return snapshot.points
    return int(snapshot.points * refunded // snapshot.merchandise)
