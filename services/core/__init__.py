"""Core: the shops' program settings, the members' profiles, and what of a plan is used."""
