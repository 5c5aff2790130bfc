"""The version of Shopify's Admin API that all of LoyalNest speaks, pinned here and nowhere else."""

from typing import Final

API_VERSION: Final = "2026-10"
