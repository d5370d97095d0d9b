"""One W0 factored once, and solved with for many right-hand sides: LU, QR, the SVD, a ridge; float32 refined."""
