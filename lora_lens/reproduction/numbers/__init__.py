"""What records say: scores and their tests, profiles over layers, shares; numbers alone, and no table."""
