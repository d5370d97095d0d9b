"""From tensors to updates: factors found, paired, made of other factors, grouped, stacked."""
