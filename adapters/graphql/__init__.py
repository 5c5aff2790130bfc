"""GraphQL over the same operations: the schema is made from the contracts, not written again."""
