"""What production runs on names only what exists in the code."""
