"""An experiment's steps, each done once, and what is on disk of them."""
