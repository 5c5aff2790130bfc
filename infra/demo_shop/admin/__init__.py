"""Shopify's side of the demo shop: what an app finds under a shop's admin, on this machine.

``server`` serves it. OAuth is there (``grants`` decides, ``oauth`` speaks HTTP), what Shopify gives
to browsers (``credentials``, ``browser``), the Admin GraphQL API (``api``) over Shopify's own
schema (``schema``), what is in the shop (``stock``), and people who buy there (``playing``).
"""
