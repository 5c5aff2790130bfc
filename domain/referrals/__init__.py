"""Referrals: an advocate's link, the friend who follows it, and the order that completes it."""
