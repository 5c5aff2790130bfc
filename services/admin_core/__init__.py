"""Admin core: what happened in a shop, what people ask of their data, and what went wrong."""
