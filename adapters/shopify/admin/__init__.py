"""Shopify's Admin GraphQL API: what is asked of it, and asking it as it wants to be asked.

``documents`` are the questions, each with the shape of its answer. ``exchange`` asks once and says
what came of it; ``client`` asks as often as is safe, within a deadline, with an access token of the
shop (``access``), no faster than Shopify takes it, and not at all while it is down (``circuits``).
``issuing``, ``bulk`` and what is beside them are what LoyalNest wants of it.
"""
