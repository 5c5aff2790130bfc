"""The identity provider's side, and ours against it."""
