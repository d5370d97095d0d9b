"""A model in memory, read as the files that it would be saved as."""
