"""What every command has: options, progress, printing, one-line failures."""
