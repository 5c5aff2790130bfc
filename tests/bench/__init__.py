"""Figures, each next to its floor in the same run."""
