"""NATS: the nerves of the mesh. Calls, events, discovery, and everything that makes them dependable."""
