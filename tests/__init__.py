"""Everything that proves the product works."""
