"""Others' services, as far as ours talk to them, as real servers on this machine."""
