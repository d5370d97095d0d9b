"""Described figures, drawn: by matplotlib for files and notebooks, by plotly for the report's page."""
