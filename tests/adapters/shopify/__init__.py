"""The translation of Shopify's JSON and the checks of its signatures."""
