"""LoyalNest's own staff: how they prove who they are, and when they may act as a shop's staff."""
