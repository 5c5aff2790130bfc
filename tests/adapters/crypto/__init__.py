"""Keys as they are remembered."""
