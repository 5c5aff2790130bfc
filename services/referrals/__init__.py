"""Referrals: an advocate's link, the friend who takes it up, and the order that rewards both."""
