"""Event tracking: work that need not happen at once, done later, at least once, with retries."""
