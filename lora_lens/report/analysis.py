"""The analyses of a report, module by module, with the reason for each that could not be made."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from ..adapter import Adapter
from ..bases.weights import BaseWeights, open_base_of
from ..chance.conversion_draws import NULLS
from ..errors import BaseModelError, LensError, ModuleLookupError
from ..questions.comparison.analysis import compare
from ..questions.comparison.result import ComparisonResult
from ..questions.grid.analysis import rank_grids
from ..questions.grid.result import RankGrids
from ..questions.shared.analysis import shared_subspace
from ..questions.shared.result import SharedResult
from ..questions.similarity.analysis import conversion_similarity
from ..questions.similarity.result import SimilarityResult
from ..questions.spectrum.analysis import spectrum
from ..questions.spectrum.result import Spectrum
from ..subspaces.convention import SettledConvention, settle_convention
from ..subspaces.pairing import select_in_both
from ..subspaces.selection import select_module
from .request import Request

Progress = Callable[[int, int], None]
T = TypeVar("T")
_CONVERSIONS = "everything that W0 is needed for"
_COMPARISONS = "everything between the two adapters"


@dataclass(frozen=True)
class ModuleAnalysis:
    """What was found of one module; None where `left_out` says why it was not."""

    module: str
    spectrum: Spectrum
    similarity: SimilarityResult | None = None
    shared: SharedResult | None = None
    comparison: ComparisonResult | None = None
    grids: RankGrids | None = None
    left_out: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Analysed:
    """All that a report shows.

    Attributes:
        adapter, other: What was analysed, and what it is compared with.
        conventions: Which equation made each module's conversion matrices, and why that one.
        base: Its open weights; None where they are not at hand.
        modules: One entry a module.
        request: What was asked for.
        warnings: What the analyses warned of.
    """

    adapter: Adapter
    other: Adapter | None
    conventions: Mapping[str, SettledConvention]
    base: BaseWeights | None
    modules: tuple[ModuleAnalysis, ...]
    request: Request
    warnings: tuple[str, ...] = ()


def analyse(
    adapter: Adapter,
    other: Adapter | None = None,
    request: Request | None = None,
    progress: Progress | None = None,
) -> Analysed:
    """Run every analysis of a report.

    What one module does not allow (a rectangular W0 under ``stored``, a base model that is not on
    this machine) is left out with its reason, so that the rest can be read.

    Raises:
        LensError: Nothing that was asked for can be made of any module, or no such module or device.
    """
    request = request or Request()
    asked = request.modules or adapter.in_layers or tuple(adapter.modules)
    names = list(dict.fromkeys(select_module(adapter, name).module for name in asked))
    if other is not None:
        _check_common(adapter, other, names)
    others = [] if other is None else [other]
    conventions = {
        name: settle_convention(request.convention, adapter.modules[name], adapter, others)
        for name in names
    }
    base, no_base = _open(adapter)
    found = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        for done, name in enumerate(names):
            found.append(_module(adapter, other, name, request, conventions[name], base, no_base))
            if progress:
                progress(done + 1, len(names))
    _check_any(found)
    lines = dict.fromkeys(str(warning.message) for warning in caught)
    modules = tuple(one for one, _ in found)
    return Analysed(adapter, other, conventions, base, modules, request, tuple(lines))


def _check_common(adapter: Adapter, other: Adapter, names: list[str]) -> None:
    """The other adapter has one of the modules: found out before the long work."""
    if all(_missing(adapter, other, name) for name in names):
        raise ModuleLookupError(
            f"{other.source} has none of the modules to compare ({', '.join(names)}); it has: "
            f"{', '.join(other.in_layers)}"
        )


def _missing(adapter: Adapter, other: Adapter, name: str) -> ModuleLookupError | None:
    """Why there is no module in `other` to compare with; None where there is."""
    try:
        select_in_both(adapter, other, name)
    except ModuleLookupError as error:
        return error
    return None


@dataclass
class _Attempts:
    """Analyses by name, with the errors of those that could not be made."""

    errors: dict[str, LensError] = field(default_factory=dict)

    def make(
        self,
        what: str,
        analysis: Callable[[Adapter, str, int | None], T],
        adapter: Adapter,
        name: str,
        request: Request,
    ) -> T | None:
        """The analysis' result, or None with its error kept."""
        try:
            return analysis(adapter, name, request.rank)
        except LensError as error:
            self.errors[what] = error
            return None


def _module(
    adapter: Adapter,
    other: Adapter | None,
    name: str,
    request: Request,
    convention: SettledConvention,
    base: BaseWeights | None,
    no_base: str,
) -> tuple[ModuleAnalysis, _Attempts]:
    tries = _Attempts()
    where: dict[str, Any] = {"device": request.device, "dtype": request.dtype}
    drawn = where | {"draws": request.draws, "seed": request.seed}
    made = ModuleAnalysis(name, spectrum(adapter, name, beside_w0=False, **where))
    if base is None:
        tries.errors[_CONVERSIONS] = BaseModelError(no_base)
    else:
        converted = drawn | {"convention": convention.name, "base": base}
        similarity = partial(conversion_similarity, nulls=NULLS, **converted)
        shared = partial(shared_subspace, **converted)
        made = replace(
            made,
            similarity=tries.make("similarity between layers", similarity, adapter, name, request),
            shared=tries.make("shared subspace", shared, adapter, name, request),
        )
    missing = _missing(adapter, other, name) if other is not None else None
    if missing:
        tries.errors[_COMPARISONS] = missing
    elif other is not None:
        comparison = partial(_compared, other=other, drawn=drawn)
        grids = partial(_grids, other=other, where=where)
        made = replace(
            made,
            comparison=tries.make(
                "comparison with the other adapter", comparison, adapter, name, request
            ),
            grids=tries.make("φ(i, j) with the other adapter", grids, adapter, name, request),
        )
    reasons = tuple((what, str(error)) for what, error in tries.errors.items())
    return replace(made, left_out=reasons), tries


def _compared(
    adapter: Adapter, name: str, rank: int | None, *, other: Adapter, drawn: dict[str, Any]
) -> ComparisonResult:
    return compare(adapter, other, name, rank, **drawn)


def _grids(
    adapter: Adapter, name: str, _: int | None, *, other: Adapter, where: dict[str, Any]
) -> RankGrids:
    """Up to both whole ranks: i and j are its axes, not a choice."""
    return rank_grids(adapter, other, name, **where)


def _open(adapter: Adapter) -> tuple[BaseWeights | None, str]:
    try:
        return open_base_of(adapter), ""
    except BaseModelError as error:
        if adapter.base_given:
            raise
        return None, str(error)


def _check_any(found: list[tuple[ModuleAnalysis, _Attempts]]) -> None:
    """A request that fails for every module is an error, but for a base that is only not here."""
    for what in dict.fromkeys(what for _, tries in found for what in tries.errors):
        errors = [tries.errors.get(what) for _, tries in found]
        first = errors[0]
        if first is not None and None not in errors and what != _CONVERSIONS:
            raise first
