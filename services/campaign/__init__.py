"""Campaigns: VIP tiers, which members reach by what they buy."""
