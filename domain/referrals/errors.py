"""Why a referral may say no."""

from domain.errors import Kind, LoyaltyError


class InvalidReferralCode(LoyaltyError):
    code = "INVALID_REFERRAL_CODE"
    kind = Kind.INVALID
    title = "There is no referral with this code."


class DuplicateReferral(LoyaltyError):
    """The friend was already referred, or this referral already has a friend."""

    code = "DUPLICATE_REFERRAL"
    kind = Kind.CONFLICT
    title = "This referral was already claimed."


class SelfReferral(LoyaltyError):
    code = "SELF_REFERRAL"
    kind = Kind.REFUSED
    title = "Nobody can refer themselves."


class ReferralExpired(LoyaltyError):
    code = "REFERRAL_EXPIRED"
    kind = Kind.REFUSED
    title = "This referral has expired."


class NotFirstOrder(LoyaltyError):
    """The program rewards new customers only, and this friend has bought before."""

    code = "NOT_FIRST_ORDER"
    kind = Kind.REFUSED
    title = "Only a friend's first order completes a referral."


class BelowMinimumSpend(LoyaltyError):
    code = "BELOW_MINIMUM_SPEND"
    kind = Kind.REFUSED
    title = "The order is below the minimum spend for a referral."


class CorruptReferral(LoyaltyError):
    """A stored referral names a state that does not exist or lacks one of its fields."""

    code = "CORRUPT_REFERRAL"
    kind = Kind.INTERNAL
    title = "A stored referral cannot be read."
