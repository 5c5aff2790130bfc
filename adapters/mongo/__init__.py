"""Storage on a MongoDB replica set: units of work, the points ledger, the outbox."""
