"""The `loyalnest` command."""
