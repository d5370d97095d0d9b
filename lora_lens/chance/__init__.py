"""What chance gives: nulls and how they are drawn, tests against them, corrections."""
