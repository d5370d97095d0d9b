"""What several questions need of an adapter: bases of its factors, of its conversions, of ΔW; which module, layers, rank."""
