"""Asking Shopify's Admin API: what is asked, how often, and what is made of the answers."""
