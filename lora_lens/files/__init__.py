"""Files on this machine or in the hub's cache: where they are, and their tensors by name, one at a time."""
