"""A process of the mesh: its settings, the services it runs, its health, its orderly end."""
