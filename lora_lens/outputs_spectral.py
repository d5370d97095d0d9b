"""Files of grids over (i, j), amplification and spectra."""

from __future__ import annotations

from pathlib import Path

from .outputs import _save, _write
from .plots import spectral as plots
from .results import Amplification, RankGrids, Spectrum
from .tables import spectral
from .tables.files import as_csv


def write_rank_grids(result: RankGrids, folder: Path, prefix: str = "") -> list[str]:
    """Write ``PREFIXgrid-MODULE.*`` (``grid-w0-MODULE`` for W0 and ΔW); the names of the files."""
    what = f"{spectral.grids_title(result)}; {result.one}, {result.other}"
    summary = spectral.grids_summary(result)
    tables = [summary._replace(title=f"{what}. {summary.title}"), *map(spectral.ij_table, result)]
    stem = "grid-w0" if result.between == "w0-delta" else "grid"
    figure = plots.rank_grids_figure(result)
    return _write(f"{prefix}{stem}-{result.module}", result, tables, figure, folder)


def write_amplification(result: Amplification, folder: Path, prefix: str = "") -> list[str]:
    """Write ``PREFIXamplification-MODULE.*``; the names of the files."""
    table = spectral.amplification_table(result)
    tables = [table._replace(title=f"{table.title}; {result.adapter} on {result.base}")]
    figure = plots.amplification_figure(result)
    return _write(f"{prefix}amplification-{result.module}", result, tables, figure, folder)


def write_spectrum(result: Spectrum, folder: Path, prefix: str = "") -> list[str]:
    """Write ``PREFIXspectrum.*``, its rank pattern, and intruder dimensions where W0 is at hand."""
    tables = [spectral.spectrum_table(result)]
    if result.base:
        tables += [
            spectral.beside_table(result),
            spectral.intruder_table(result),
            spectral.intruder_totals(result),
        ]
    tables.append(spectral.suggestion_table(result.suggestion))
    stem = f"{prefix}spectrum"
    written = _write(stem, result, tables, plots.spectrum_figure(result), folder)
    texts = {f"{stem}-rank-pattern.txt": result.suggestion.snippet()}
    if result.base:
        texts[f"{stem}-intruders.csv"] = as_csv(result.intruders())
        written += _save(f"{stem}-intruders", plots.intruder_figure(result), folder)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [*written, *texts]
