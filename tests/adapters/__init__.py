"""Adapters whose promise is not a port of ours."""
