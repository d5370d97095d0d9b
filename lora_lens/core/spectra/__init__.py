"""What singular values say, beside what random matrices do."""
