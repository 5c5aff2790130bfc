"""Adapters on Valkey (Redis): fast copies of what a database holds."""
