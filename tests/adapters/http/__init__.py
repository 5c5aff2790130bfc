"""The pieces of the edge that need no server."""
