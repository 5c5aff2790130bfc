"""The embedded stack, with its real servers."""
