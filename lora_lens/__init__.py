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

if TYPE_CHECKING:
    from . import plots
    from .adapter import Adapter, ModuleFactors
    from .analyses.adapter_comparison import compare
    from .analyses.adapter_matrix import adapter_matrix
    from .analyses.amplification import amplification
    from .analyses.dynamics import dynamics
    from .analyses.inventory import inspect
    from .analyses.layer_bases import RankDeficientWarning
    from .analyses.layer_similarity import conversion_similarity
    from .analyses.rank_grids import rank_grids
    from .analyses.rank_suggestion import suggest_ranks
    from .analyses.shared_subspace import shared_subspace
    from .analyses.spectrum import spectrum
    from .core.baseline import gaussian_baseline, gaussian_samples
    from .core.conversion import conversion_matrices
    from .core.spectrum import product_svd
    from .core.subspace import phi, phi_grid, phi_matrix, principal_angles
    from .demo import demo_adapter
    from .errors import LensError, RankError
    from .export import export_lora
    from .loaders import load_adapter, open_base

__version__ = "0.1.0"

_HOMES = {
    "Adapter": ".adapter",
    "LensError": ".errors",
    "ModuleFactors": ".adapter",
    "RankDeficientWarning": ".analyses.layer_bases",
    "RankError": ".errors",
    "adapter_matrix": ".analyses.adapter_matrix",
    "amplification": ".analyses.amplification",
    "compare": ".analyses.adapter_comparison",
    "conversion_matrices": ".core.conversion",
    "conversion_similarity": ".analyses.layer_similarity",
    "demo_adapter": ".demo",
    "dynamics": ".analyses.dynamics",
    "export_lora": ".export",
    "gaussian_baseline": ".core.baseline",
    "gaussian_samples": ".core.baseline",
    "inspect": ".analyses.inventory",
    "load_adapter": ".loaders",
    "open_base": ".loaders",
    "phi": ".core.subspace",
    "phi_grid": ".core.subspace",
    "phi_matrix": ".core.subspace",
    "principal_angles": ".core.subspace",
    "product_svd": ".core.spectrum",
    "shared_subspace": ".analyses.shared_subspace",
    "rank_grids": ".analyses.rank_grids",
    "spectrum": ".analyses.spectrum",
    "suggest_ranks": ".analyses.rank_suggestion",
}

__all__ = [
    "Adapter",
    "LensError",
    "ModuleFactors",
    "RankDeficientWarning",
    "RankError",
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
    "open_base",
    "phi",
    "phi_grid",
    "phi_matrix",
    "plots",
    "principal_angles",
    "product_svd",
    "rank_grids",
    "shared_subspace",
    "spectrum",
    "suggest_ranks",
]


def __getattr__(name: str) -> Any:
    if name == "plots":
        return import_module(".plots", __name__)
    if name in _HOMES:
        return getattr(import_module(_HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
