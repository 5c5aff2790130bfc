"""NATS: the nerves of the mesh. Calls, events, discovery, and what makes them dependable."""
