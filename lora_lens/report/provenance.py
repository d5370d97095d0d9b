"""Where a report's numbers come from: files with their checksums, versions, choices."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from .. import __version__
from ..adapter import Adapter
from ..bases.weights import BaseWeights
from ..files.revisions import with_revision
from ..files.tensors import TensorStore
from ..formats.adapter_files import open_adapter
from ..show.layout import Table
from ..subspaces.selection import select_device
from .analysis import Analysed

LARGEST_HASHED = 4 << 30  # bytes: about ten seconds of reading


def files_table(analysed: Analysed) -> Table:
    """sha256 of the files that tensors were read from: the adapters' weights and the base's."""
    rows = [row for adapter in _adapters(analysed) for row in _of_adapter(adapter)]
    if analysed.base is not None:
        rows += _of_base(analysed.base)
    return Table("Files that were read", ["of", "file", "bytes", "sha256"], rows)


def _adapters(analysed: Analysed) -> list[Adapter]:
    return [one for one in (analysed.adapter, analysed.other) if one is not None]


def _of_adapter(adapter: Adapter) -> list[list[str]]:
    if adapter.live is not None:
        return [[adapter.source, "in memory", "", "not hashed: no file"]]
    files = open_adapter(adapter.source)
    config = [[adapter.source, *_hashed(files.config_file)]] if files.config_file else []
    return [*config, *_of_store(adapter.source, files.tensors)]


def _of_base(base: BaseWeights) -> list[list[str]]:
    return _of_store(base.source, base.tensors)


def _of_store(source: str, tensors: TensorStore) -> list[list[str]]:
    paths = [path for name in sorted(set(tensors.files.values())) if (path := tensors.find(name))]
    total = sum(path.stat().st_size for path in paths)
    if total > LARGEST_HASHED:
        reason = f"not hashed: {total / 2**30:.1f} GiB in all"
        return [[source, path.name, f"{path.stat().st_size:,}", reason] for path in paths]
    return [[source, *_hashed(path)] for path in paths]


def _hashed(path: Path) -> list[str]:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return [path.name, f"{path.stat().st_size:,}", digest]


def versions() -> dict[str, str]:
    """Versions of what computed the numbers and of what draws them."""
    names = ("torch", "numpy", "scipy", "plotly")
    return {
        "lora-lens": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in names},
    }


def choices(analysed: Analysed, command: str | None, made: str) -> list[tuple[str, str]]:
    """What was analysed and how, a pair of words and value each."""
    adapter, request = analysed.adapter, analysed.request
    rows = [("Adapter", f"{adapter.source} ({method(adapter)})")]
    if analysed.other is not None:
        rows.append(("Compared with", f"{analysed.other.source} ({method(analysed.other)})"))
    base = f"{base_named(analysed)}{'' if analysed.base else ' (not on this machine)'}"
    rows += [
        ("Base model", base),
        ("Modules", "; ".join(_module_line(analysed, name) for name in _names(analysed))),
        ("Trainable parameters", f"{adapter.trainable_parameters:,} in the low-rank part"),
        *(("Convention", line) for line in _convention_lines(analysed)),
        *_ridge_lines(request.ridge),
        ("Subspaces", _subspaces(analysed)),
        ("Gauge", _GAUGE),
        ("Nulls", f"{request.draws} draws each, seed {request.seed}"),
        ("Precision", f"{request.dtype} on {select_device(request.device, request.dtype).device}"),
        ("Command", command or "write_report(…) from Python"),
        ("Made", made),
        ("Versions", ", ".join(f"{name} {number}" for name, number in versions().items())),
    ]
    return rows


_CONVENTIONS = {
    "stored": "stored: W0⁻¹Aᵀ and W0⁻¹B, W0 as stored for both (the released code of Kim et al. 2024)",
    "consistent": "consistent: W0⁻ᵀAᵀ and W0⁻¹B, each factor in the space it lives in "
    "(pseudo-inverse where W0 is not square)",
}
_GAUGE = (
    "A and B as the checkpoint has them. (A, B) and (R·A, B·R⁻¹) are the same adapter; φ at i = j = "
    "rank, shares and spectra of ΔW do not depend on R, and φ of A or B at i or j below the rank does"
)


def base_named(analysed: Analysed) -> str | None:
    """The base model, with its revision where one is asked for."""
    adapter = analysed.adapter
    named = with_revision(adapter.base_model, adapter.revision)
    return analysed.base.source if analysed.base else named


def conventions(analysed: Analysed) -> str:
    """The convention of the conversion matrices, or each module's where they differ."""
    by_name = _by_convention(analysed)
    if len(by_name) == 1:
        return next(iter(by_name))
    return ", ".join(f"{name} ({', '.join(modules)})" for name, modules in by_name.items())


def _by_convention(analysed: Analysed) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for module, settled in analysed.conventions.items():
        found.setdefault(settled.name, []).append(module)
    return found


def _convention_lines(analysed: Analysed) -> Iterator[str]:
    """What each convention says, of which modules and why."""
    by_name = _by_convention(analysed)
    for name, modules in by_name.items():
        whys = dict.fromkeys(analysed.conventions[module].why for module in modules)
        of = "" if len(by_name) == 1 else f"{', '.join(modules)}, "
        yield f"{_CONVENTIONS[name]}; {of}{'; '.join(whys)}"


def _ridge_lines(ridge: float) -> list[tuple[str, str]]:
    said = (
        f"{ridge:g} times the median singular value of each W0, as λ in (W0ᵀW0 + λ²I)⁻¹W0ᵀ; of φ between "
        f"layers and its nulls alone"
    )
    return [("Ridge", said)] if ridge else []


def method(adapter: Adapter) -> str:
    """The method as it is written, with the convention that a CondLoRA adapter was trained under."""
    convention = f", convention {adapter.convention}" if adapter.convention else ""
    return adapter.title + convention


def _names(analysed: Analysed) -> list[str]:
    return [one.module for one in analysed.modules]


def _module_line(analysed: Analysed, name: str) -> str:
    factors = analysed.adapter.modules[name]
    ranks = sorted(set(factors.ranks))
    rank = f"rank {ranks[0]}" if len(ranks) == 1 else f"ranks {ranks[0]} to {ranks[-1]}"
    return (
        f"{name} ({len(factors.layers)} layers, {rank}, W0 {factors.out_features}×"
        f"{factors.in_features})"
    )


def _subspaces(analysed: Analysed) -> str:
    ranks = sorted({min(analysed.adapter.modules[name].ranks) for name in _names(analysed)})
    rank = analysed.request.rank
    each = f"{rank}" if rank else " or ".join(map(str, ranks))
    return f"leading left singular vectors of the conversion matrices: i = {each}, j = {each}"
