"""lora-lens: a spectral analysis toolkit for trained adapters.

>>> import lora_lens as ll
>>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
>>> result = ll.conversion_similarity(adapter, module="value", rank=8)
>>> result["A"].values.shape
(6, 6)

Names are loaded when they are first used, so that ``import lora_lens`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import moved

if TYPE_CHECKING:
    from . import plots
    from .adapter import Adapter, ModuleFactors
    from .bases.opening import open_base
    from .bases.renaming import renaming
    from .chance.gaussian import gaussian_samples
    from .chance.gaussian_moments import gaussian_baseline
    from .core.conversions.conversion import RankDeficientWarning, conversion_matrices
    from .core.factors.leading_basis import TiedWarning
    from .core.factors.product_svd import product_svd
    from .core.similarity.angles import principal_angles
    from .core.similarity.phi import phi, phi_grid, phi_matrix
    from .demo import demo_adapter
    from .errors import LensError, RankError
    from .formats import load_adapter
    from .questions.amplification.analysis import amplification
    from .questions.comparison.analysis import compare
    from .questions.dynamics.analysis import dynamics
    from .questions.grid.analysis import rank_grids
    from .questions.inventory.analysis import inspect
    from .questions.magnitude.analysis import magnitude_and_direction
    from .questions.matrix.analysis import adapter_matrix
    from .questions.outliers.analysis import outliers
    from .questions.shared.analysis import shared_subspace
    from .questions.similarity.analysis import conversion_similarity
    from .questions.spectrum.analysis import spectrum
    from .questions.spectrum.suggestion import suggest_ranks
    from .report.write import report
    from .survey.write import survey
    from .training.spectral.callback import SpectralCallback
    from .writing.export import export_lora
    from .writing.resizing import resize

__version__ = "0.1.0"
moved.install()

_HOMES = {
    "Adapter": ".adapter",
    "LensError": ".errors",
    "ModuleFactors": ".adapter",
    "RankDeficientWarning": ".core.conversions.conversion",
    "RankError": ".errors",
    "SpectralCallback": ".training.spectral.callback",
    "TiedWarning": ".core.factors.leading_basis",
    "adapter_matrix": ".questions.matrix.analysis",
    "amplification": ".questions.amplification.analysis",
    "compare": ".questions.comparison.analysis",
    "conversion_matrices": ".core.conversions.conversion",
    "conversion_similarity": ".questions.similarity.analysis",
    "demo_adapter": ".demo",
    "dynamics": ".questions.dynamics.analysis",
    "export_lora": ".writing.export",
    "gaussian_baseline": ".chance.gaussian_moments",
    "gaussian_samples": ".chance.gaussian",
    "inspect": ".questions.inventory.analysis",
    "load_adapter": ".formats",
    "magnitude_and_direction": ".questions.magnitude.analysis",
    "open_base": ".bases.opening",
    "outliers": ".questions.outliers.analysis",
    "phi": ".core.similarity.phi",
    "phi_grid": ".core.similarity.phi",
    "phi_matrix": ".core.similarity.phi",
    "principal_angles": ".core.similarity.angles",
    "product_svd": ".core.factors.product_svd",
    "renaming": ".bases.renaming",
    "report": ".report.write",
    "resize": ".writing.resizing",
    "shared_subspace": ".questions.shared.analysis",
    "rank_grids": ".questions.grid.analysis",
    "spectrum": ".questions.spectrum.analysis",
    "suggest_ranks": ".questions.spectrum.suggestion",
    "survey": ".survey.write",
}

__all__ = [
    "Adapter",
    "LensError",
    "ModuleFactors",
    "RankDeficientWarning",
    "RankError",
    "SpectralCallback",
    "TiedWarning",
    "adapter_matrix",
    "amplification",
    "compare",
    "conversion_matrices",
    "conversion_similarity",
    "demo_adapter",
    "dynamics",
    "export_lora",
    "gaussian_baseline",
    "gaussian_samples",
    "inspect",
    "load_adapter",
    "magnitude_and_direction",
    "open_base",
    "outliers",
    "phi",
    "phi_grid",
    "phi_matrix",
    "plots",
    "principal_angles",
    "product_svd",
    "rank_grids",
    "renaming",
    "report",
    "resize",
    "shared_subspace",
    "spectrum",
    "suggest_ranks",
    "survey",
]


if not TYPE_CHECKING:  # which would take any misspelt name for Any

    def __getattr__(name: str) -> Any:
        if name == "plots":
            return import_module(".plots", __name__)
        if name in _HOMES:
            return getattr(import_module(_HOMES[name], __name__), name)
        if name in moved.MODULES:
            return import_module(f".{name}", __name__)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
