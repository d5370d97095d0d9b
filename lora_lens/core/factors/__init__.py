"""Factors and their products: bases, singular values, ranks; tall matrices, and nothing of W0."""
