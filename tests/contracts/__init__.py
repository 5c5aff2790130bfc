"""Whether both sides keep the contracts: those who promise, those who rely, and the documents."""
