"""What is computed with: NumPy arrays and torch tensors alike, checked, in which precision, of what range."""
