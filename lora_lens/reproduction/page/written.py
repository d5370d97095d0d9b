"""The files of an experiment's tables and figures: which there can be, and which figures are of what is found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ...errors import RecordError
from ...files.json_files import read_json
from ...show.paper import ENDINGS
from ..experiment.config import Config
from ..numbers.analysis_records import Record
from ..runs.collect import Found

TABLE_ENDINGS = (".md", ".tex", ".csv")
DRAWN = (".png", ".svg")
_TABLES = ("table2", "arms", "equivalence", "longer", "conversions", "shared", "table4")
_TABLES_OF_MODULE = ("conversions", "figure1", "table3")
_IN_FULL = (".json", *TABLE_ENDINGS, *ENDINGS)  # as a question writes its result
_OF_LORA = {"figure1-similarity-{}": _IN_FULL, "figure1-similarity-{}-figure1": ENDINGS}
_OF_BOTH = {"table3-compare-{}": _IN_FULL}


def table_files(config: Config) -> list[str]:
    """Every file that ``tables/`` can have."""
    of_modules = [f"{kind}-{one}" for kind in _TABLES_OF_MODULE for one in config.analysis.modules]
    return _files([*_TABLES, *of_modules], TABLE_ENDINGS)


def figure_files(config: Config) -> list[str]:
    """Every file that ``figures/`` can have."""
    return _of_scores() + _of_all_seeds(config) + _of_one_seed(config, compared=True)


def figures_of(config: Config, found: Found, out: Path) -> list[str]:
    """Those of them that are of what is found, once its pictures are drawn.

    Of one seed's analysis there is more than a picture: what lies there from before, where its numbers are the record's.
    """
    compared = "condlora" in config.methods
    names = _of_scores() if found.scores else []
    if found.analyses and compared:
        names += _of_all_seeds(config)
    if drawn := drawn_analysis(config, found):
        whole = {stem for stem, one in _recorded(drawn[1]) if _is_of(out / "figures", stem, one)}
        of_one = _of_one_seed(config, compared=compared)
        names += [name for name in of_one if name.endswith(".png") or _stem(name) in whole]
    return names


def _recorded(record: Record) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for module, one in record.items():
        yield f"figure1-similarity-{module}", one["similarity"]
        if "comparison" in one:
            yield f"table3-compare-{module}", one["comparison"]


def _stem(name: str) -> str:
    """The result's that a file is of.

    Example:
        >>> [_stem(f"figure1-similarity-{end}") for end in ("v.csv", "value-figure1.png")]
        ['figure1-similarity-v', 'figure1-similarity-value']
    """
    return name.rpartition(".")[0].removesuffix("-figure1")


def _is_of(folder: Path, stem: str, recorded: Mapping[str, Any]) -> bool:
    """Whether what a question wrote is what was written down of it."""
    try:
        return read_json(folder / f"{stem}.json", RecordError)["matrices"] == recorded["matrices"]
    except (RecordError, KeyError):
        return False


def drawn_analysis(config: Config, found: Found) -> tuple[int, Record] | None:
    """The seed whose layers are drawn, and its record; of the task that the configuration names, else its first."""
    return next(iter(found.analyses.get(figure_task(config), {}).items()), None)


def figure_task(config: Config) -> str:
    """The task that the configuration names, else its first."""
    return config.analysis.figure_task or next(iter(config.tasks))


def _of_scores() -> list[str]:
    return _files(("scores", "curves"), DRAWN)


def _of_all_seeds(config: Config) -> list[str]:
    return _files((f"table3-profile-{module}" for module in config.analysis.modules), DRAWN)


def _of_one_seed(config: Config, *, compared: bool) -> list[str]:
    forms = _OF_LORA | (_OF_BOTH if compared else {})
    return [
        name
        for form, endings in forms.items()
        for name in _files((form.format(module) for module in config.analysis.modules), endings)
    ]


def _files(names: Iterable[str], endings: Iterable[str]) -> list[str]:
    return [name + ending for name in names for ending in endings]
