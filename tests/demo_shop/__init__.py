"""The shop that is not there: its stream, its sender, its oracle."""
