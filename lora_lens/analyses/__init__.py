"""Adapter (+ BaseWeights) → results; one question a file."""
