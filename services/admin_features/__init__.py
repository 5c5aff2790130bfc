"""Admin features: what staff set up for their shop; so far, what its notifications say."""
