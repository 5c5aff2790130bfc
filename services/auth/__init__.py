"""Auth: which shops use LoyalNest, and whose token is valid."""
