"""The crash test: orders flow, everything is killed in turn, and every wallet must be right."""
