"""Points: what an order earns, what a refund takes back, and what a wallet then holds."""
