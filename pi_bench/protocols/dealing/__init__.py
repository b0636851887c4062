"""What a dealer deals: correlated randomness, of which each party gets its part before the input is known."""
