"""The points service against a model of it, over long random stories, on every store."""
