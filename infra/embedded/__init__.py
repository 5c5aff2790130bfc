"""The embedded stack: real NATS, PostgreSQL and Valkey from their wheels, and what watches them."""
