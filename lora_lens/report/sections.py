"""A module's section of the page: its sentences, figures and tables, in the order they are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..questions.comparison import tables as comparison
from ..questions.comparison.result import ComparisonResult
from ..questions.comparison.words import summary as comparison_sentence
from ..questions.grid import tables as rank_grids
from ..questions.grid.result import RankGrids
from ..questions.grid.words import summary as grids_sentence
from ..questions.shared import tables as shared
from ..questions.shared.result import SharedResult
from ..questions.shared.words import summary as shared_sentence
from ..questions.similarity import tables as similarity
from ..questions.similarity.result import LayerGrid, SimilarityResult
from ..questions.similarity.words import summary as similarity_sentence
from ..questions.spectrum import tables as spectra
from ..questions.spectrum.result import Spectrum
from ..questions.spectrum.words import summary as spectrum_sentence
from ..show import against_chance as significance
from ..show.layout import LABELS, significant
from . import figures
from .analysis import ModuleAnalysis
from .figures import Spec
from .findings import same
from .tables import (
    PageTable,
    page_table,
    pairs_table,
    series_table,
    without_first_column,
)

_STORED = {"A": "W0⁻¹Aᵀ", "B": "W0⁻¹B", "BA": "W0⁻¹BA"}
_CONSISTENT = _STORED | {"A": "W0⁻ᵀAᵀ"}


@dataclass(frozen=True)
class Figure:
    """A figure of the page.

    Attributes:
        name: Its key in the page's data.
        caption: Above it.
        alt: What it shows, for those who do not see it.
        spec: Its numbers.
    """

    name: str
    caption: str
    alt: str
    spec: Spec


@dataclass(frozen=True)
class Part:
    """One question about a module.

    Attributes:
        kind: Which switches it has: ``similarity``, ``singular`` and ``ij`` have some, ``shared``,
            ``comparison`` and ``text`` none.
        name: Its id in the page.
        title: The question.
        sentences: The answer.
        figures: The evidence.
        tables: Its main numbers, shown at once.
        details: More of them, shown when asked for.
        legend: What the words mean.
        nulls: Names of the nulls to switch between.
    """

    kind: str
    name: str
    title: str
    sentences: Sequence[str]
    figures: Sequence[Figure] = ()
    tables: Sequence[PageTable] = ()
    details: Sequence[PageTable] = ()
    legend: Sequence[str] = ()
    nulls: Sequence[str] = ()


@dataclass(frozen=True)
class Section:
    """A module."""

    name: str
    module: str
    parts: Sequence[Part]
    left_out: Sequence[tuple[str, str]] = field(default_factory=tuple)


def section(one: ModuleAnalysis, name: str) -> Section:
    """All parts that were made of one module; `name` is an id of the page's own making."""
    return Section(name, one.module, tuple(_parts(one, name)), one.left_out)


def _parts(one: ModuleAnalysis, name: str) -> Iterator[Part]:
    if one.similarity is not None:
        yield _similarity(one.similarity, f"{name}-similarity")
    if one.shared is not None:
        yield _shared(one.shared, f"{name}-shared")
    said: Sequence[str] = ()
    if one.comparison is not None:
        yield _comparison(one.comparison, f"{name}-comparison")
        said = one.comparison.notes
    if one.grids is not None:
        yield _grids(one.grids, f"{name}-ij", said)
    yield _spectrum(one.spectrum, f"{name}-spectrum")


def _similarity(result: SimilarityResult, name: str) -> Part:
    title = "Are its conversion matrices alike across layers?"
    if len(result.layers) == 1:
        return Part("text", name, title, [_alone(result)])
    written = _CONSISTENT if result.convention == "consistent" else _STORED
    shown = {matrix: grid for matrix, grid in result.items() if not _is_b(matrix, result)}
    captions = {matrix: f"{LABELS[matrix]}: {written[matrix]}" for matrix in shown}
    if "BA" in result and "BA" not in shown:
        captions["B"] += f", the same as BA: {written['BA']}"
    plots = [
        Figure(f"{name}-{matrix}", captions[matrix], _grid_alt(grid),
               figures.similarity_figure(grid))
        for matrix, grid in shown.items()
    ]  # fmt: skip
    details = [page_table(similarity.grid_table(grid)) for grid in shown.values()]
    details += [
        page_table(pairs_table(grid, "propagated"))
        for grid in shown.values()
        if "propagated" in grid.baselines
    ]
    return Part(
        kind="similarity",
        name=name,
        title=title,
        sentences=[_alone(result), _capital(similarity.highest_pairs(result)),
                   *map(_capital, result.notes)],
        figures=plots,
        tables=[page_table(similarity.summary(result))],
        details=[*details, page_table(similarity.condition_table(result))],
        legend=[*map(_capital, similarity.legend(result)), _conditioning(result)],
        nulls=list(next(iter(result.values())).baselines),
    )  # fmt: skip


def _is_b(matrix: str, result: SimilarityResult) -> bool:
    """Whether this is BA and its numbers are B's, as they are at i = j = r."""
    return matrix == "BA" and same(result[matrix].values, result["B"].values)


def _alone(result: SimilarityResult) -> str:
    """The sentence without its beginning, which the headings around it say."""
    start = f"{result.method} {result.module}, convention {result.convention}: "
    return _capital(similarity_sentence(result).removeprefix(start))


def _grid_alt(grid: LayerGrid) -> str:
    off = grid.values[~np.eye(len(grid.layers), dtype=bool)]
    return (
        f"Heat map of φ between the conversion matrices of {LABELS[grid.matrix]}, layer by layer: "
        f"mean off the diagonal {grid.mean:.3f}, lowest {off.min():.3f}, highest {off.max():.3f}. The "
        f"numbers are in the tables below."
    )


def _conditioning(result: SimilarityResult) -> str:
    numbers = result.condition_number
    return (
        f"Conditioning: W0's condition number σ_max/σ_min is from {significant(min(numbers), zeros=False)} to "
        f"{significant(max(numbers), zeros=False)} over the layers. W0⁻¹ amplifies W0's small singular "
        f"directions, and layers share some of them: that is why the propagated null is the one to "
        f"compare with."
    )


def _shared(result: SharedResult, name: str) -> Part:
    title = "Does one shared layer yield every layer's factor?"
    if len(result.layers) == 1:
        return Part("text", name, title, ["One layer only, so nothing can be shared."])
    null = list(next(iter(result.values())).nulls)[-1]
    plots = [
        Figure(f"{name}-{matrix}", f"{LABELS[matrix]}: share of each layer's subspace",
               f"Share of each layer's {LABELS[matrix]} conversions that one shared layer captures: "
               f"{one.share:.3f} on average, {one.mean_left_out:.3f} of a layer it was not fitted "
               f"to. The numbers are in the tables below.", figures.shared_figure(one))
        for matrix, one in result.items()
    ]  # fmt: skip
    return Part(
        kind="shared",
        name=name,
        title=title,
        sentences=[*shared_sentence(result).split("\n"), *map(_capital, result.notes)],
        figures=plots,
        tables=[page_table(shared.summary(result))],
        details=[page_table(shared.layer_table(one)) for one in result.values()],
        legend=[
            *map(_capital, shared.legend(result)),
            f"Bars in the figures: the {null} null's mean ± 2 sd, layer by layer.",
        ],
    )


def _comparison(result: ComparisonResult, name: str) -> Part:
    start = f"the two adapters, {result.module}: "
    means = ", ".join(f"{LABELS[matrix]} {one.mean:.3f}" for matrix, one in result.items())
    return Part(
        kind="comparison",
        name=name,
        title="Do the two adapters span alike?",
        sentences=[_capital(comparison_sentence(result).removeprefix(start)),
                   *map(_capital, result.notes)],
        figures=[
            Figure(name, f"φ between the two adapters by layer, i = {result.i}, j = {result.j}",
                   f"φ between the two adapters by layer; means: {means}. The numbers are in the "
                   f"tables below.", figures.comparison_figure(result))
        ],
        tables=[page_table(comparison.summary(result)), page_table(series_table(result))],
        details=[page_table(comparison.layer_table(result))],
        legend=[significance.columns_legend("layers")],
    )  # fmt: skip


def _grids(result: RankGrids, name: str, said: Sequence[str]) -> Part:
    """`said`: notes that stand on the page already."""
    return Part(
        kind="ij",
        name=name,
        title="How many top directions do the two adapters share? φ(i, j)",
        sentences=[grids_sentence(result),
                   *(_capital(note) for note in result.notes if note not in said)],
        figures=[
            Figure(name, "φ of the top i directions of the one and the top j of the other",
                   "Heat map of φ(i, j) for one matrix and layer, both chosen above it. The corners "
                   "of all of them are in the table below.", figures.grids_figure(result))
        ],
        tables=[],
        details=[page_table(rank_grids.summary(result))],
        legend=["By chance: unrelated subspaces, max(i, j)/d. A and B are in the checkpoints' own "
                "gauge, which moves φ where i or j is below the rank; ΔW's vectors are free of it."],
    )  # fmt: skip


def _spectrum(result: Spectrum, name: str) -> Part:
    top = max(one.spectral_norm for one in result.layers)
    return Part(
        kind="singular",
        name=name,
        title="What does the spectrum of ΔW look like?",
        sentences=[spectrum_sentence(result), *map(_capital, result.notes)],
        figures=[
            Figure(f"{name}-s", "Singular values of ΔW, a row a layer",
                   f"Heat map of ΔW's singular values, a row a layer; the largest is {top:.3g}. Norms "
                   f"and ranks are in the table below.", figures.singular_figure(result)),
            Figure(f"{name}-r", "Ranks of ΔW by layer",
                   "Rank, effective ranks and stable rank of ΔW by layer. The numbers are in the "
                   "table below.", figures.ranks_figure(result)),
        ],
        tables=[page_table(without_first_column(spectra.spectrum_table(result)))],
        legend=["Stable rank: ‖ΔW‖_F²/‖ΔW‖_2². Effective rank: exp of the entropy of s/Σs, or of "
                "s²/Σs². 90, 95, 99 %: fewest directions with that share of the energy Σs². Above "
                "random: singular values larger than a random product of this rank, size and norm has. "
                "None of it depends on the gauge; it describes, and tests nothing."],
    )  # fmt: skip


def _capital(text: str) -> str:
    """As it stands in a paragraph of its own."""
    begun = text[:1].upper() + text[1:]
    return begun if begun.endswith((".", "?", "!")) else f"{begun}."
