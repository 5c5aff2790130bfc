"""Moving a shop from one store of points to the other, and back."""
