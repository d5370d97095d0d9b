"""The page's parts: tables with what they say; one or two a file."""
