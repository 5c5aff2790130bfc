"""Traces, metrics and logs: what an operator sees of the mesh."""
