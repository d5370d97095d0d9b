"""What is asked of a place: one file a question, each of which sees every adapter once and every pair once."""
