"""Adapter → files."""
