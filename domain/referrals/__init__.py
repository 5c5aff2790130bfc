"""Referrals: an advocate's link, the friend who follows it, and the order that completes it."""

from domain.referrals.errors import (
    BelowMinimumSpend,
    DuplicateReferral,
    InvalidReferralCode,
    NotFirstOrder,
    ReferralExpired,
    SelfReferral,
)

__all__ = [
    "BelowMinimumSpend",
    "DuplicateReferral",
    "InvalidReferralCode",
    "NotFirstOrder",
    "ReferralExpired",
    "SelfReferral",
]
