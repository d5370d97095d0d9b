"""How much ΔW amplifies directions of W0, layer by layer."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...labelled import Brief, Row, plain
from ..answer import Answer


@dataclass(frozen=True, repr=False, eq=False)
class LayerAmplification(Brief):
    """One layer of Hu et al. 2022, Table 7.

    Attributes:
        layer: As in the checkpoint's names.
        rank: r, how many singular vectors U and V hold.
        delta_norm: ‖ΔW‖_F, of the whole of ΔW.
        delta_top_norm: ‖UᵀΔW V‖_F, of its top r directions alone; equal at r = rank of ΔW.
        w0_norm: ‖W0‖_F.
        w0_in_delta: ‖Uᵀ W0 V‖_F, U and V the top r singular vectors of ΔW.
        w0_in_w0: The same with W0's own top r: √(Σ σ_i²), the most any U and V can give.
        w0_in_random: Root mean square of the same with independent uniform U and V: r·‖W0‖_F/√(out·in).
        random_square_sd: Standard deviation of the *square* ‖Uᵀ W0 V‖_F² for those.
    """

    layer: int
    rank: int
    delta_norm: float
    delta_top_norm: float
    w0_norm: float
    w0_in_delta: float
    w0_in_w0: float
    w0_in_random: float
    random_square_sd: float

    @property
    def factor(self) -> float:
        """The amplification factor ‖ΔW‖_F / ‖Uᵀ W0 V‖_F; inf where W0 has nothing there."""
        return self.delta_norm / self.w0_in_delta if self.w0_in_delta > 0 else math.inf

    @property
    def z(self) -> float:
        """Deviations of ‖Uᵀ W0 V‖_F² from its mean for random directions; NaN where it cannot vary."""
        if self.random_square_sd == 0:
            return math.nan
        return (self.w0_in_delta**2 - self.w0_in_random**2) / self.random_square_sd

    def to_dict(self) -> Row:
        """For JSON and tables; what is not finite is None."""
        numbers = {"factor": plain(self.factor), "z": plain(self.z)}
        return {**vars(self), **numbers}


@dataclass(frozen=True, repr=False, eq=False)
class Amplification(Answer):
    """Does ΔW strengthen directions that W0 already has, and which W0 does not stress?

    Hu et al. 2022, section 7.3, Table 7.

    Attributes:
        adapter, base, module: What was analysed.
        layers: One entry a layer in which ΔW is not zero.
        notes: What a reader should know beside the numbers.
        base_commit: Of the base in its hub repository, asked for or not; None for other folders.
    """

    adapter: str
    base: str
    module: str
    layers: tuple[LayerAmplification, ...]
    notes: tuple[str, ...] = ()
    base_commit: str | None = None

    @property
    def stem(self) -> str:
        """Name of its files, but for their endings."""
        return f"amplification-{self.module}"

    def rows(self) -> list[Row]:
        """One row a layer."""
        return [{"module": self.module} | layer.to_dict() for layer in self.layers]

    def numbers(self) -> Row:
        """For JSON."""
        return {
            "adapter": self.adapter,
            "base": self.base,
            "module": self.module,
            "layers": [layer.to_dict() for layer in self.layers],
        }
