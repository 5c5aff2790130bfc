"""What the rules and stories need from the world: small protocols."""
