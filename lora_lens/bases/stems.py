"""What files with a base's weights are called, without their endings."""

from __future__ import annotations

_NAMES = ("model", "pytorch_model", "diffusion_pytorch_model")
# Read where there is no other, whatever its ending: so the libraries do that are not asked for a variant.
_VARIANTS = ("fp16", "bf16")
STEMS = (*_NAMES, *(f"{name}.{variant}" for variant in _VARIANTS for name in _NAMES))
