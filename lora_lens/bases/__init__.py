"""W0: found, opened without being loaded, named, sliced. One file a concern."""
