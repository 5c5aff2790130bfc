"""The language of the mesh: operations, events, webhooks and errors, declared once each."""
