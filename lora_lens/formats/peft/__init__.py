"""What PEFT's files and settings say, whichever of its methods wrote them."""
