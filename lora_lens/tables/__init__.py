"""Results → tables: for the terminal, and as CSV, JSON, Markdown and LaTeX."""
