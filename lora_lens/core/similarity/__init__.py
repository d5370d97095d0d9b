"""φ: of one pair, of many, by chance; and the angles that it is made of."""
