"""What is written and drawn of an experiment: tables, figures, sentences, the page."""
