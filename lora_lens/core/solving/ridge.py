"""W0 factored for ridge solutions, which stay finite where W0⁻¹ blows up its weak directions."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from .factoring import Factored
from .solvers import RidgeSolver


def ridged(factored: Factored, ridge: float) -> Factored:
    """The same W0, converting by (W0ᵀW0 + λ²I)⁻¹W0ᵀ, λ being `ridge` median singular values of each.

    Its rank stays W0's; how it is conditioned is what the ridge makes of it. Singular values below the cut-off count as zero, so that a ridge
    that goes to 0 ends at the pseudo-inverse. One SVD of each W0, the work of 10 to 25
    LU's, and from then on two products a solve. A solution is the definition's times a positive number, the same
    for all right-hand sides of a W0, which keeps any ridge within range: subspaces have no size.

    Args:
        factored: From `lora_lens.core.solving.factoring.factor`; of each W0 more than half of the singular
            values are above the cut-off.
        ridge: λ in units of the median singular value, above 0.

    Example:
        λ is the median 2: s/(s² + 4) of 4, 2 and 1, but for a positive number.

        >>> from lora_lens.core.solving.factoring import factor
        >>> w0 = torch.diag(torch.tensor([4.0, 2.0, 1.0], dtype=torch.float64))[None]
        >>> x = ridged(factor(w0, 1e-7), 1.0).converting.solve(torch.ones(1, 3, 1, dtype=torch.float64))
        >>> (x / x.max()).ravel()
        tensor([0.8000, 1.0000, 0.8000], dtype=torch.float64)
    """
    computing = factored.inverse_norm.dtype
    u, s, vh = torch.linalg.svd(factored.w0.to(computing), full_matrices=False)
    known = s.cpu().double()  # for any ridge: float32 has no 1e39, and some devices no float64
    kept = known > factored.cutoff * known[..., :1]
    size = known / median(known)[..., None]
    largest = size[..., :1]
    scale = largest.clamp(min=ridge)
    gain = torch.where(kept, size / ((size / scale) ** 2 + (ridge / scale) ** 2), 0)
    top = gain.amax(-1)
    return replace(
        factored,
        ridged=RidgeSolver(u, gain.to(s), vh),
        inverse_norm=top.to(s),
        condition=((largest / scale)[..., 0] * (top / scale[..., 0])).to(s),
    )


def median(s: Float[Tensor, "*batch k"]) -> Float[Tensor, "*batch"]:
    """Of descending numbers; the mean of the middle two where they are even in number.

    Example:
        >>> median(torch.tensor([[5.0, 3.0, 2.0, 0.0]])), median(torch.tensor([5.0, 3.0, 2.0]))
        (tensor([2.5000]), tensor(3.))
    """
    k = s.shape[-1]
    return (s[..., (k - 1) // 2] + s[..., k // 2]) / 2
