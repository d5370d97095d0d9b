"""What an experiment is: its configuration, and the paper's numbers."""
