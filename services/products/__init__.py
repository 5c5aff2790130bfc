"""Products: a shop's catalogue, kept from its webhooks, and found again with typos."""
