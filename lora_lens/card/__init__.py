"""A trained adapter's model card, as the hub shows it, and its way there."""
