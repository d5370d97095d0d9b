"""What an experiment is: its configuration, the paper's, and what of its adapters is looked at."""
