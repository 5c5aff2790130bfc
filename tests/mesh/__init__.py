"""The real thing: real servers, signed webhooks in, balances out."""
