"""The mathematics: tensors to tensors, batched over leading axes, on any device; no files, no names."""
