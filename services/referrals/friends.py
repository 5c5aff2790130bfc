"""Who a friend is before the shop knows them: an id made from their address stands in."""

from uuid import UUID, uuid5

from ports.referrals import Tracked


def stand_in(merchant_id: UUID, email_index: str) -> UUID:
    """The id a friend has until an order of theirs tells which member they are."""
    return uuid5(merchant_id, f"friend:{email_index}")


def friend_of(tracked: Tracked) -> UUID | None:
    """The member a referral's friend is; None while only their address is known."""
    friend_id: UUID | None = getattr(tracked.referral, "friend_id", None)  # not in every state
    if tracked.friend_index and friend_id == stand_in(tracked.merchant_id, tracked.friend_index):
        return None
    return friend_id
