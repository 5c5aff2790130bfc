"""Where it runs: the embedded servers, the command line, the demo shop and production."""
