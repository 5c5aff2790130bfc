"""Shopify's side of the demo shop: what an app finds under a shop's admin, on this machine.

``server`` serves it. OAuth is there (``grants`` decides, ``oauth`` speaks HTTP), and what Shopify
gives to browsers (``credentials``). The Admin API belongs beside ``oauth``: routes of its own under
``/{shop}/admin/api``, which ask ``Grants.check`` whose access token they were given.
"""
