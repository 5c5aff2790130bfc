"""PostgreSQL: where services keep what is true. One database each, never shared."""
