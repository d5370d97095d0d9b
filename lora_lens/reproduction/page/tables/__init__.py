"""The experiment's tables: of numbers that are there, in words and cells; one a file."""
