"""Bad input: each piece has its answer, and nothing is changed by it."""
