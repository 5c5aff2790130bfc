"""Shopify's side of the edge: signatures and the translation of webhooks."""
