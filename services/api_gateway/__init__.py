"""The edge: Shopify's webhooks come in, and the operations of the mesh are offered to the world."""
