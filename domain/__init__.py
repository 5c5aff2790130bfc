"""What is true: the pure rules of a loyalty program. Standard library only, no clock, no I/O."""
