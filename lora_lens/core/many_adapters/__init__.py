"""What many adapters tell together: clusters, outliers, what a few directions hold of all, what merging does."""
