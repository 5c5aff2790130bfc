"""Shopify's side of the demo shop: what an app finds under a shop's admin, on this machine.

``server`` serves it. OAuth is there (``grants`` decides, ``oauth`` speaks HTTP), what Shopify gives
to browsers (``credentials``, ``browser``), and one question of the Admin API (``details``). The
rest of that API belongs in the place of ``details``: it asks ``Grants.check`` what an access token
may do.
"""
