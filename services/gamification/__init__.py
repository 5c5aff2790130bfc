"""Gamification: badges for what members did, and leaderboards of the points they earned."""
