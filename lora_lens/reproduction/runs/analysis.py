"""What of one seed's adapters is looked at: LoRA's conversions over the layers, and LoRA by CondLoRA."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ... import questions
from ...adapter import Adapter
from ...errors import AdapterError, BaseModelError, SettingsError
from ...files.checksums import sha256
from ...files.peft_names import WEIGHTS
from ...formats import load_adapter
from ...questions.comparison.analysis import compare
from ...questions.comparison.result import ComparisonResult
from ...questions.shared.analysis import shared_subspace
from ...questions.similarity.analysis import conversion_similarity
from ...questions.similarity.result import SimilarityResult
from ...show.paper import PLAIN, Paper
from ...show.text import as_json
from ...staging import staged
from ...training.record import FORMAT, read_record
from ..experiment.config import Analysis
from .as_configured import or_anew, refuse_other
from .base_weights import base_checksums

RECORD_NAME = "analysis.json"
ADAPTERS_NAME = "adapters.json"  # their checksums, and the base's
_BASE = "base"  # beside the methods; earlier records do not say it
_FORMAT = "format"  # beside the modules; the earliest records do not say it
_FOLDER = "the folder"


def analyse(folders: Mapping[str, Path], base: str, wanted: Analysis, out: Path) -> None:
    """Write ``analysis.json``: its format, and of every module Figure 1's numbers, Table 3's, and what the layers share.

    Args:
        folders: Method to the folder of its adapter.
        base: Base model of both.
        wanted: Modules, and draws of the propagated null.
        out: Folder to write to; ``adapters.json`` there has the adapters' checksums, and the base's.

    Raises:
        AdapterError: An adapter's file, or the base's, was changed meanwhile.
        BaseModelError: The base cannot be had.
    """
    digests = _digests(folders, base)
    adapters = {method: load_adapter(folder, base) for method, folder in folders.items()}
    record: dict[str, Any] = {}
    for module in wanted.modules:
        record[module] = {
            "similarity": _named(similarity(adapters["lora"], module, wanted).to_dict(), folders)
        }
        if "condlora" in adapters:
            found = comparison(adapters, module)
            record[module]["comparison"] = _named(found.to_dict(), folders)
        record[module]["shared"] = {
            method: shared(adapters, method, module, wanted)
            for method in ("lora", "condlora")
            if method in adapters
        }
    now = _digests(folders, base)
    if changed := [of for of in now if now[of] != digests[of]]:
        what = base if changed[0] == _BASE else folders[changed[0]] / WEIGHTS
        raise AdapterError(f"{what} was changed while it was analysed; run `reproduce` again")
    # Checksums last: beside an older record they would be believed.
    with staged(out, last=ADAPTERS_NAME) as folder:
        (folder / ADAPTERS_NAME).write_text(as_json(digests), encoding="utf-8")
        (folder / RECORD_NAME).write_text(as_json({_FORMAT: FORMAT} | record), encoding="utf-8")


def _digests(folders: Mapping[str, Path], base: str) -> dict[str, Any]:
    of_adapters = {method: sha256(folder / WEIGHTS) for method, folder in folders.items()}
    return {**of_adapters, _BASE: base_checksums(base)}


def why_anew(analysed: Path, folders: Mapping[str, Path], base: str | None) -> str | None:
    """Why a record is not of these adapters and their W0; None where it is.

    Of older ones, and of those without the adapters beside them, the methods are all that is asked. A base that cannot
    be had is taken for the one that was.

    Args:
        analysed: Folder of the record.
        folders: Method to the folder of its adapter.
        base: Base model of both; None where it is not to be opened.
    """
    record, sums = read_analysis(analysed), analysed / ADAPTERS_NAME
    methods = {"lora"} | (
        {"condlora"} if all("comparison" in one for one in record.values()) else set()
    )
    if lacking := sorted(set(folders) - methods):
        return f"it has no {lacking[0]}"
    digests: Any = read_record(sums) if sums.exists() else {}
    here = {method: folder for method, folder in folders.items() if (folder / WEIGHTS).exists()}
    for method, folder in here.items():
        if method in digests and sha256(folder / WEIGHTS) != digests[method]:
            return f"{folder} has other weights now"
    if base is None or _BASE not in digests or len(here) < len(folders):
        return None
    try:
        now = base_checksums(base)
    except BaseModelError:
        return None
    return None if now == digests[_BASE] else f"{base} has other files of weights now"


def similarity(lora: Adapter, module: str, wanted: Analysis) -> SimilarityResult:
    """Figure 1's numbers: φ between the layers' conversions, as the paper makes them, and its nulls."""
    return conversion_similarity(lora, module, convention="stored", draws=wanted.draws)


def comparison(adapters: Mapping[str, Adapter], module: str) -> ComparisonResult:
    """Table 3's numbers: φ between LoRA and CondLoRA, layer by layer."""
    return compare(adapters["lora"], adapters["condlora"], module)


def shared(
    adapters: Mapping[str, Adapter], method: str, module: str, wanted: Analysis
) -> dict[str, Any]:
    """What the other layers' θ predicts of a method's factors, and of the other method's: by matrix."""
    other = adapters.get({"lora": "condlora", "condlora": "lora"}[method])
    found = shared_subspace(
        adapters[method], module, other=other, draws=wanted.shared_draws
    ).to_dict()
    return {
        matrix: {key: one[key] for key in ("predicted", "carried") if key in one}
        for matrix, one in found["matrices"].items()
    } | {"layers": found["layers"]}


def write_figures(
    folders: Mapping[str, Path], base: str, wanted: Analysis, out: Path, paper: Paper = PLAIN
) -> None:
    """Write Figure 1 and Table 3 of one seed's adapters as figures, of every module."""
    adapters = {method: load_adapter(folder, base) for method, folder in folders.items()}
    with staged(out) as folder:
        for module in wanted.modules:
            found = similarity(adapters["lora"], module, wanted)
            questions.similarity.QUESTION.write(found, folder, "figure1-", paper)
            if "condlora" in adapters:
                compared = comparison(adapters, module)
                questions.comparison.QUESTION.write(compared, folder, "table3-", paper)


def read_analysis(folder: Path) -> dict[str, Any]:
    """What `analyse` wrote of every module; raises as `read_record` does."""
    found = read_record(folder / RECORD_NAME)
    return {module: one for module, one in found.items() if module != _FORMAT}


def check(folder: Path, wanted: Analysis) -> None:
    """Nothing, where what was analysed is what is wanted.

    Raises:
        SettingsError: It is of other modules, or of another number of draws.
    """
    record = read_analysis(folder)
    check_modules(record, folder, wanted)
    for module in wanted.modules:
        shares = record[module].get("shared", {}).get("lora", {})  # older records have none
        nulls = [one["predicted"]["nulls"] for one in shares.values() if "predicted" in one]
        compared = (
            ("draws", record[module]["similarity"].get("draws"), wanted.draws),
            *(
                ("shared_draws", one["flipped"]["draws"], wanted.shared_draws)
                for one in nulls
                if "flipped" in one
            ),
        )
        refuse_other(folder, compared, remove=_FOLDER)


def check_modules(record: Mapping[str, Any], folder: Path, wanted: Analysis) -> None:
    """Nothing, where every module that is wanted was analysed.

    Raises:
        SettingsError: One was not.
    """
    if missing := [module for module in wanted.modules if module not in record]:
        raise SettingsError(
            f"{folder} has no {missing[0]!r}, which the configuration's [analysis] names, but {', '.join(record)}; {or_anew(_FOLDER)}"
        )


def _named(found: dict[str, Any], folders: Mapping[str, Path]) -> dict[str, Any]:
    """Adapters by the names of their folders, so that the record does not depend on where it lies."""
    names = {str(folder): folder.name for folder in folders.values()}
    return {
        key: names.get(value, value) if isinstance(value, str) else value
        for key, value in found.items()
    }
