"""The rules alone: examples from the field and properties that must hold for every input."""
