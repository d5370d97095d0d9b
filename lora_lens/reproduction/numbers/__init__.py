"""What records say: scores and their tests, tables, profiles over layers; numbers alone."""
