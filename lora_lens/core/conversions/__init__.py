"""W0⁻¹Aᵀ and W0⁻¹B, which coordinates their subspaces hold, and where W0 turns any subspace."""
