"""One θ for all layers: fitted, left out, drawn again; and one subspace for all layers."""
