"""What CondLoRA's A and B are made of: each layer's own W0, or a control in its place."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from .arrays import Tensor
from .errors import AdapterError

Source = Literal["w0", "shuffled", "gaussian", "identity"]
SOURCES: Mapping[Source, str] = {
    "w0": "the layer's own W0",
    "shuffled": "another layer's W0",
    "gaussian": "a Gaussian matrix of W0's Frobenius norm",
    "identity": "the identity",
}
SHIFT = 1  # layer l has W0 of layer l + SHIFT, the last ones of the first
GENERATOR = "lora-lens gaussian 1"  # another draw is another version


@dataclass(frozen=True)
class StandIn:
    """What stands for W0 in the factors of one layer.

    Attributes:
        source: Which control it is; never ``w0``.
        path: The module whose W0 it is, or has the shape and the norm of.
        key: What seeds a Gaussian matrix: module, and place among its layers.
        sha256: Of its numbers before they are scaled, where it is known.
    """

    source: Source
    path: str
    key: tuple[str, int] | None = None
    sha256: str | None = None

    def of(self, w0: Float[Tensor, "out in"]) -> Float[Tensor, "out in"]:
        """The matrix, given W0 of `path`; Gaussian ones and the identity in float32.

        Raises:
            AdapterError: The generator gives other numbers than those that were trained with.

        Example:
            >>> import torch
            >>> StandIn("identity", "0.value").of(torch.full((2, 3), 7.0))
            tensor([[1., 0., 0.],
                    [0., 1., 0.]])
        """
        import torch

        if self.key is not None:
            drawn = gaussian(self.key, (int(w0.shape[0]), int(w0.shape[1])))
            if self.sha256 not in (None, checksum(drawn)):
                raise AdapterError(
                    f"the Gaussian matrix of {self.path} is not the one that was trained with (sha256 {checksum(drawn)[:12]}, "
                    f"expected {str(self.sha256)[:12]}): this is not its base model, or this NumPy draws other numbers"
                )
            norm = torch.linalg.matrix_norm(w0.detach().cpu().double())
            scale = np.float32(float(norm) / float(np.linalg.norm(drawn.astype(np.float64))))
            return torch.from_numpy(drawn * scale).to(w0.device)
        if self.source == "identity":
            return torch.eye(*w0.shape, dtype=torch.float32, device=w0.device)
        return w0


def gaussian(
    key: tuple[str, int], shape: tuple[int, int]
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Standard normal numbers of one layer, the same in every process: Philox, seeded by generator, module and layer.

    Example:
        >>> one, other = (gaussian(("value", layer), (2, 2)) for layer in (0, 1))
        >>> bool((gaussian(("value", 0), (2, 2)) == one).all()), bool((one == other).any())
        (True, False)
    """
    module, layer = key
    seed = np.random.SeedSequence([*f"{GENERATOR}/{module}/{layer}".encode()])
    rng = np.random.Generator(np.random.Philox(seed))
    return rng.standard_normal(shape).astype(np.float32)


def checksum(drawn: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> str:
    """SHA-256 of a matrix's numbers, row by row, little-endian."""
    return hashlib.sha256(drawn.astype("<f4").tobytes()).hexdigest()


def stand_ins(
    source: Source,
    modules: Mapping[str, Sequence[str]],
    *,
    shift: int = SHIFT,
    sha256: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, StandIn]:
    """Path of each layer to what stands for its W0; empty for ``w0``.

    Args:
        source: Which control.
        modules: Target module to the paths of its layers, in order.
        shift: From a layer to the one whose W0 it has, of ``shuffled``.
        sha256: Target module to the checksums of their Gaussian matrices.

    Raises:
        AdapterError: The shift leaves a layer its own W0, as where there is one layer alone.

    Example:
        >>> found = stand_ins("shuffled", {"value": ["0.value", "1.value", "2.value"]})
        >>> [one.path for one in found.values()]
        ['1.value', '2.value', '0.value']
    """
    found: dict[str, StandIn] = {}
    for module, paths in modules.items() if source != "w0" else ():
        if source == "shuffled" and shift % len(paths) == 0:
            raise AdapterError(
                f"source 'shuffled' takes another layer's W0, and a shift by {shift} of {len(paths)} leaves {module!r} its own; use another source"
            )
        for k, path in enumerate(paths):
            if source == "shuffled":
                found[path] = StandIn(source, paths[(k + shift) % len(paths)])
            elif source == "gaussian":
                drawn = None if sha256 is None else sha256[module][k]
                found[path] = StandIn(source, path, (module, k), drawn)
            else:
                found[path] = StandIn(source, path)
    return found
