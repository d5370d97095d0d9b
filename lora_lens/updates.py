"""What an adapter does to one layer's W0, as data: whatever file it came from, it is one of these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from jaxtyping import Float

from .arrays import Either, Stored, Tensor, nothing
from .errors import AdapterError
from .sources import StandIn

Convention = Literal["stored", "consistent"]


@dataclass(frozen=True)
class Factor:
    """A matrix of an update: its shape at once, its numbers when they are asked for.

    Attributes:
        name: What messages call it: the tensor of the file that it is.
        shape: Rows and columns.
        read: Makes it, in the dtype of the file; not to be written into.
        release: Gives back the memory of the file that reading has touched.
        array: Makes it as NumPy's array, bfloat16 as float32, without torch; gives None where only
            torch can.
        stored: Where it lies in a file; gives None where it is made of what lies there.
    """

    name: str
    shape: tuple[int, ...]
    read: Callable[[], Tensor]
    release: Callable[[], None] = nothing
    array: Callable[[], Either | None] = nothing
    stored: Callable[[], Stored | None] = nothing

    def numbers(self) -> Either:
        """As NumPy's array where that can be, else as torch's tensor."""
        found = self.array()
        return self.read() if found is None else found


def made(name: str, matrix: Tensor) -> Factor:
    """A factor whose numbers are at hand."""
    return Factor(name, tuple(matrix.shape), lambda: matrix)


@dataclass(frozen=True)
class LowRank:
    """ΔW = scaling · B·A, of two matrices of the file; or, of DoRA, what its magnitude makes of that and W0.

    With a magnitude m, ΔW = diag(m/‖V‖)·V − W0, with V = W0 + scaling · B·A and ‖V‖ the norm of each row; or,
    `by_column`, V·diag(m/‖V‖) − W0 with the norm of each input channel, of a convolution several columns.

    Attributes:
        a: (rank, in).
        b: (out, rank).
        scaling: s.
        tensors: Every tensor of the file that it is made of.
        magnitude: m, (out, 1); or, of columns, (channels, 1).
        role: Of an update of one role of a fused projection alone: the projection's path, and the role's
            rows, a `lora_lens.adapter.FusedRows`. B then has the rows of all roles, and is zero in the others'.
        by_column: Whether the magnitude is of input channels and not of rows.
        norm_scaling: With what B·A enters the V whose norms are taken, where a library takes them of another V.
        unchanged: Whether ΔW is exactly zero, where it is a difference of two matrices, of which no other is made for it; gives None of others.
    """

    a: Factor
    b: Factor
    scaling: float
    tensors: tuple[str, ...]
    magnitude: Factor | None = None
    role: tuple[str, Any] | None = None
    by_column: bool = False
    norm_scaling: float | None = None
    unchanged: Callable[[], bool | None] = nothing


@dataclass(frozen=True)
class FromW0:
    """ΔW = scaling · B·A with A and B made of W0 by a θ_A and a θ_B that many layers share.

    Eq. 5 and 6 of Kim et al. 2024: B = W0·θ_B; A = θ_Aᵀ·W0 (``consistent``), or (W0·θ_A)ᵀ with W0 as
    stored (``stored``), which needs a square W0.

    Attributes:
        theta_a: (out, rank) under ``consistent``, (in, rank) under ``stored``.
        theta_b: (in, rank).
        scaling: s.
        convention: Which of the two.
        tensors: Every tensor of the file that it is made of.
        stand_in: What they are made of in W0's place; None of the layer's own W0.
    """

    theta_a: Factor
    theta_b: Factor
    scaling: float
    convention: Convention
    tensors: tuple[str, ...]
    stand_in: StandIn | None = None

    def of(self, w0: Float[Tensor, "out in"], path: str) -> LowRank:
        """A and B of one layer, computed in float64, given W0 of it, or of its stand-in's path.

        Raises:
            AdapterError: θ does not fit W0, which the message calls by `path`.
        """
        import torch

        for theta in (self.theta_a.read(), self.theta_b.read()):
            if not theta.is_floating_point():
                raise AdapterError(f"θ of {path} holds {theta.dtype}, expected floats")
        w0 = w0 if self.stand_in is None else self.stand_in.of(w0)
        w0, theta_a, theta_b = (
            tensor.to(torch.float64) for tensor in (w0, self.theta_a.read(), self.theta_b.read())
        )
        a_side = w0.shape[0] if self.convention == "consistent" else w0.shape[1]
        if theta_a.shape[0] != a_side or theta_b.shape[0] != w0.shape[1]:
            raise AdapterError(
                f"θ of {path} has {theta_a.shape[0]} and {theta_b.shape[0]} rows, but W0 is "
                f"{w0.shape[0]}x{w0.shape[1]}: this is not its base model"
            )
        if self.convention == "stored" and w0.shape[0] != w0.shape[1]:
            raise AdapterError(
                f"W0 of {path} is {w0.shape[0]}x{w0.shape[1]}; 'stored' needs it square"
            )
        a = theta_a.T @ w0 if self.convention == "consistent" else (w0 @ theta_a).T
        b = w0 @ theta_b
        return LowRank(made(f"A of {path}", a), made(f"B of {path}", b), self.scaling, self.tensors)


Update = LowRank | FromW0
