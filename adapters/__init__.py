"""How the world keeps the promises of ``ports``: NATS, HTTP, PostgreSQL, Valkey, Shopify, …"""
