"""What adapters of image models have in common, whichever trainer wrote them."""
