"""Spectra of ΔW and W0 as text: norms and ranks, intruder dimensions, and the ranks suggested."""

from __future__ import annotations

from ...show.csv_text import as_csv
from ...show.delta_named import equation, ranks_of
from ...show.layout import (
    NONE,
    Table,
    called,
    layer_number,
    number,
    significant,
)
from ...show.many_rows import MOST_ROWS, condensed
from ...show.paper import ENDINGS
from .result import Spectrum
from .suggestion_tables import suggestion_table
from .words import named, random_of

RANK_PATTERN = "-rank-pattern.txt"  # what follows the files' stem, of PEFT's patterns
SOMETIMES = (RANK_PATTERN, *(f"-intruders{ending}" for ending in (".csv", *ENDINGS)))


def tables(result: Spectrum) -> list[Table]:
    """ΔW alone; where W0 is at hand ΔW beside it and intruder dimensions; the ranks suggested."""
    base = f" on {called(result.base)}" if result.base else ""
    first, *rest = layer_tables(result)
    found = [first.under(f"{called(result.adapter)}{base}"), *rest]
    return [*found, *([_suggested(result)] if result.suggestion.layers else [])]


def _suggested(result: Spectrum) -> Table:
    by_path = suggestion_table(result.suggestion)
    return (
        condensed(by_path._replace(head=["module", *by_path.head[1:]]))
        if len(by_path.rows) > MOST_ROWS
        else by_path
    )


def layer_tables(result: Spectrum) -> list[Table]:
    """ΔW, and what stands beside it; of many layers no intruder dimensions but their totals."""
    found = [condensed(spectrum_table(result))]
    if result.base:
        found.append(condensed(beside_table(result)))
        each = intruder_table(result)
        above = len(each.rows) <= MOST_ROWS
        found += [*([each] if above else []), intruder_totals(result, below_each=above)]
    return found


def texts(result: Spectrum) -> dict[str, str]:
    """Tidy numbers as CSV, by what follows the files' stem."""
    found = {
        ".csv": as_csv(result.rows()),
        "-singular-values.csv": as_csv(result.singular_values()),
    }
    if snippet := result.suggestion.snippet():
        found[RANK_PATTERN] = snippet
    if intruders := result.intruders():
        found["-intruders.csv"] = as_csv(intruders)
    return found


def legend(result: Spectrum) -> list[str]:
    """What the columns mean."""
    lines = [
        f"{ranks_of(named(result))}, or of s²/Σs²; 90 %: how many singular values hold that share of Σs²",
        f"above random: singular values larger than those of {random_of(result)}",
    ]
    if result.base:
        lines += [
            "edge: where the singular values of a random matrix of W0's size and norm end, but for the largest of up to one in six such matrices",
            "intruder dimensions: largest |cosine| with any of W0's left singular vectors below ε; "
            "first's: of the first one",
        ]
    return lines


def spectrum_table(result: Spectrum) -> Table:
    """Norms and ranks of ΔW, or of s·B·A; of which, by layer, where it is not one of them in all."""
    matrices = [one.matrix for one in result.layers]
    several, symbol = len(set(matrices)) > 1, named(result)
    head = [
        "module", "layer", *["of"][:several], "r", f"‖{symbol}‖_F", f"‖{symbol}‖_2", "stable rank", "effective rank (s)",
        "effective rank (s²)", "90 %", "95 %", "99 %", "above random",
    ]  # fmt: skip
    rows = [
        [
            one.module, layer_number(one.layer), *[one.matrix][:several], str(one.rank),
            significant(one.frobenius_norm), significant(one.spectral_norm), number(one.stable_rank, 2), number(one.effective_rank_s, 2),
            number(one.effective_rank_s2, 2), *map(_count, (one.rank_90, one.rank_95, one.rank_99)),
            str(one.above_product_edge),
        ]
        for one in result.layers
    ]  # fmt: skip
    title = f"{equation(matrices)}: norms, ranks, and ranks for a share of the energy Σs²"
    return Table(title, head, rows)


def _count(value: int | None) -> str:
    return NONE if value is None else str(value)


def beside_table(result: Spectrum) -> Table:
    """ΔW beside W0: relative norms, and what exceeds a random matrix's edge."""
    head = [
        "module", "layer", "‖W0‖_F", "‖W0‖_2", "‖ΔW‖_F /‖W0‖_F", "‖ΔW‖_2 /‖W0‖_2", "W0's edge",
        "W0 above", "ΔW above", "W0+ΔW above its own",
    ]  # fmt: skip
    rows = [
        [
            one.module, layer_number(one.layer), significant(w0.w0_frobenius_norm), significant(w0.w0_spectral_norm),
            significant(w0.relative_frobenius_norm), significant(w0.relative_spectral_norm),
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
            layer_number(one.layer),
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
    head = ["module", "layer", "first's", *_epsilons(result)]
    return Table(
        f"Intruder dimensions among the top {ks} left singular vectors of W0+ΔW", head, rows
    )


def intruder_totals(result: Spectrum, *, below_each: bool = False) -> Table:
    """Intruder dimensions over all layers, beside those of random ΔW; a row a k, a column an ε.

    Args:
        result: Whose.
        below_each: Whether `intruder_table` stands above it, so that its title need not say again what is counted.
    """
    found = result.intruders()

    def cell(k: int, epsilon: float) -> str:
        rows = [row for row in found if (row["k"], row["epsilon"]) == (k, epsilon)]
        total = sum(row["count"] for row in rows)
        random = [row["random_mean"] for row in rows if row["random_mean"] is not None]
        return f"{total} ({sum(random):.0f})" if random else str(total)

    body = [[str(k), *(cell(k, epsilon) for epsilon in result.epsilons)] for k in result.ks]
    head = ["top k", *_epsilons(result)]
    layers = sum(one.beside_w0 is not None for one in result.layers)
    what = "The same" if below_each else "Intruder dimensions among the top k of W0+ΔW,"
    over = f"all {layers} matrices" if layers != 1 else "one matrix"
    return Table(
        f"{what} over {over}; in brackets, of random ΔW with the same singular values",
        head,
        body,
    )


def _epsilons(result: Spectrum) -> list[str]:
    return [f"ε = {epsilon:g}" for epsilon in result.epsilons]
