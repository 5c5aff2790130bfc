"""Use cases with fakes: what happens, without any server."""
