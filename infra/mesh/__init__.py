"""Who may say and hear what in the mesh: users of NATS, made from what the services are."""
