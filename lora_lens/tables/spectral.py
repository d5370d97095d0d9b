"""Grids over (i, j), amplification and spectra as plain tables of text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..results import Amplification, RankGrid, RankGrids, RankSuggestion, Spectrum
from .layout import LABELS, Table, number

_SHOWN = 12  # rows or columns of a grid up to which all are shown


def significant(value: float) -> str:
    """Four significant digits with their zeros, so that a column of them lines up."""
    return f"{value:#.4g}".removesuffix(".")


def ticks(count: int) -> list[int]:
    """1 to `count` where they are few, else the powers of two and the last."""
    if count <= _SHOWN:
        return list(range(1, count + 1))
    powers = [2**k for k in range(count.bit_length()) if 2**k < count]
    return [*powers, count]


def grids_title(result: RankGrids) -> str:
    """What i and j count, in one line."""
    if result.between == "w0-delta":
        return f"φ(i, j) of {result.module}: i over W0's singular vectors, j over ΔW's"
    return f"φ(i, j) of {result.module}: i over the first adapter's singular vectors, j over the second's"


def kind_label(matrix: str, side: str) -> str:
    """``A (right)``."""
    return f"{LABELS[matrix]} ({side})"


def kind_title(result: RankGrids, grid: RankGrid) -> str:
    """Whose singular vectors are compared, in words."""
    whose = "W0 and ΔW" if result.between == "w0-delta" else LABELS[grid.matrix]
    return f"{whose}, {grid.side} singular vectors"


def grids_summary(result: RankGrids) -> Table:
    """The corners of every grid beside chance, and the principal angles."""
    head = [
        "matrix", "layer", "r1×r2", "φ(1, 1)", "φ(r1, r2)", "by chance", "z",
        "angles: least", "median", "largest",
    ]  # fmt: skip
    rows = [
        [
            kind_label(grid.matrix, grid.side), str(grid.layer), f"{grid.shape[0]}×{grid.shape[1]}",
            number(grid.values[0, 0]), number(grid.values[-1, -1]),
            f"{number(grid.gaussian_mean[-1, -1])} ± {number(grid.gaussian_sd[-1, -1])}",
            number(grid.z[-1, -1], 1),
            *(f"{angle:.1f}°" for angle in np.quantile(grid.angles, (0, 0.5, 1))),
        ]
        for grid in result
    ]  # fmt: skip
    return Table("Top directions, whole subspaces, and the angles between those", head, rows)


def ij_table(grid: RankGrid) -> Table:
    """One grid; of a large one the powers of two."""
    rows, columns = (ticks(count) for count in grid.shape)
    body = [[str(i), *(f"{grid.values[i - 1, j - 1]:.3f}" for j in columns)] for i in rows]
    title = (
        f"φ(i, j) of {kind_label(grid.matrix, grid.side)}, layer {grid.layer}; rows i, columns j"
    )
    return Table(title, ["i", *map(str, columns)], body)


def amplification_table(result: Amplification) -> Table:
    """Table 7 of Hu et al. 2022, a row a layer."""
    head = [
        "layer", "r", "‖ΔW‖_F", "‖W0‖_F", "in ΔW's", "in W0's", "in random", "z", "amplification",
    ]  # fmt: skip
    rows = [
        [
            str(one.layer), str(one.rank), significant(one.delta_norm), significant(one.w0_norm),
            significant(one.w0_in_delta), significant(one.w0_in_w0), significant(one.w0_in_random),
            number(one.z, 1), number(one.factor, 2) if np.isfinite(one.factor) else "∞",
        ]
        for one in result.layers
    ]  # fmt: skip
    return Table(f"‖UᵀW0V‖_F of {result.module} in three kinds of directions", head, rows)


def spectrum_table(result: Spectrum) -> Table:
    """Norms and ranks of ΔW."""
    head = [
        "module", "layer", "r", "‖ΔW‖_F", "‖ΔW‖_2", "stable rank", "effective rank (s)",
        "effective rank (s²)", "90 %", "95 %", "99 %", "above random",
    ]  # fmt: skip
    rows = [
        [
            one.module, str(one.layer), str(one.rank), significant(one.frobenius_norm),
            significant(one.spectral_norm), number(one.stable_rank, 2), number(one.effective_rank_s, 2),
            number(one.effective_rank_s2, 2), *map(_count, (one.rank_90, one.rank_95, one.rank_99)),
            str(one.above_product_edge),
        ]
        for one in result.layers
    ]  # fmt: skip
    return Table("ΔW = s·B·A: norms, ranks, and ranks for a share of the energy Σs²", head, rows)


def _count(value: int | None) -> str:
    return "–" if value is None else str(value)


def beside_table(result: Spectrum) -> Table:
    """ΔW beside W0: relative norms, and what exceeds a random matrix's edge."""
    head = [
        "module", "layer", "‖W0‖_F", "‖W0‖_2", "‖ΔW‖_F /‖W0‖_F", "‖ΔW‖_2 /‖W0‖_2", "W0's edge",
        "W0 above", "ΔW above", "W0+ΔW above its own",
    ]  # fmt: skip
    rows = [
        [
            one.module, str(one.layer), significant(w0.w0_frobenius_norm), significant(w0.w0_spectral_norm),
            number(w0.relative_frobenius_norm), number(w0.relative_spectral_norm),
            significant(w0.w0_edge), str(w0.w0_above_edge), str(w0.delta_above_w0_edge),
            str(w0.tuned_above_edge),
        ]
        for one in result.layers
        if (w0 := one.beside_w0)
    ]  # fmt: skip
    return Table(
        "Beside W0: norms, and singular values above the Marchenko-Pastur edge", head, rows
    )


def intruder_table(result: Spectrum) -> Table:
    """Intruder dimensions among the top k, all k in one cell, a column an ε."""
    counts = {
        (row["module"], row["layer"], row["epsilon"], row["k"]): row["count"]
        for row in result.intruders()
    }
    rows = [
        [
            one.module,
            str(one.layer),
            f"{one.beside_w0.cosines[0]:.3f}",
            *(
                "/".join(str(counts[one.module, one.layer, epsilon, k]) for k in result.ks)
                for epsilon in result.epsilons
            ),
        ]
        for one in result.layers
        if one.beside_w0
    ]
    ks = " / ".join(map(str, result.ks))
    head = [
        "module",
        "layer",
        "first's",
        *(f"ε = {epsilon:g}" for epsilon in result.epsilons),
    ]
    return Table(
        f"Intruder dimensions among the top {ks} left singular vectors of W0+ΔW", head, rows
    )


def intruder_totals(result: Spectrum) -> Table:
    """Intruder dimensions over all layers, beside those of random ΔW; a row a k, a column an ε."""
    found = result.intruders()

    def cell(k: int, epsilon: float) -> str:
        rows = [row for row in found if (row["k"], row["epsilon"]) == (k, epsilon)]
        total = sum(row["count"] for row in rows)
        random = [row["random_mean"] for row in rows if row["random_mean"] is not None]
        return f"{total} ({sum(random):.0f})" if random else str(total)

    body = [[str(k), *(cell(k, epsilon) for epsilon in result.epsilons)] for k in result.ks]
    head = ["top k", *(f"ε = {epsilon:g}" for epsilon in result.epsilons)]
    layers = len(result.layers)
    return Table(
        f"The same over all {layers} matrices; in brackets, of random ΔW with the same singular values",
        head,
        body,
    )


def suggestion_table(result: RankSuggestion) -> Table:
    """Suggested ranks by module path."""
    rows: Sequence[Sequence[str]] = [
        [
            one.name, str(one.rank), str(one.suggested) if one.suggested else "–",
            number(one.kept), significant(one.scaling),
        ]
        for one in result.layers
    ]  # fmt: skip
    return Table(suggestion_line(result), ["path", "rank", "suggested", "kept", "scaling"], rows)


def suggestion_line(result: RankSuggestion) -> str:
    """The suggestion in one line."""
    before, after = result.parameters
    return (
        f"Smallest ranks that keep {100 * result.energy:g} % of ΔW's energy: "
        f"{after:,} of {before:,} parameters"
    )
