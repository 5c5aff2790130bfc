"""One suite per port, over all its adapters."""
