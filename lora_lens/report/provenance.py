"""Where a report's numbers come from: files with their checksums, versions, choices."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import metadata, version
from pathlib import Path
from typing import Any

from .. import __version__
from ..adapter import Adapter
from ..files.checksums import sha256
from ..files.mapped import Version, version_in
from ..files.revisions import with_revision
from ..several import counted
from ..show.layout import NONE, Table
from ..show.wording import listed, span
from ..subspaces.device import select_device
from .analysed import Analysed
from .conventions import convention_lines, convention_of, conventions
from .module_sizes import ModuleSizes

LARGEST_HASHED = 4 << 30  # bytes: about ten seconds of reading
_CONFIGURATIONS = (".json", ".yaml")
_CHANGED = "not hashed: written to after it was opened"


def files_table(analysed: Analysed) -> Table:
    """sha256 of the files that numbers are made by: weights and configurations, the adapters' and the base's."""
    rows = [row for adapter in analysed.adapters for row in _of_adapter(adapter)]
    bases = {base.source: base for base in analysed.bases if base is not None}
    rows += [row for base in bases.values() for row in _of_files(base.source, base.read_from)]
    return Table("Files that were read", ["of", "file", "bytes", "sha256"], rows)


def changed(files: Table) -> list[str]:
    """A warning of each file of that table that is not any more what the numbers are of."""
    return [
        f"{file} of {source} was written to, replaced or removed after it was opened: the numbers are of what it was, whose checksum is "
        f"not known; make the report again for those of what is there now"
        for source, file, _, digest in files.rows
        if digest == _CHANGED
    ]


def _of_adapter(adapter: Adapter) -> list[list[str]]:
    if adapter.live is not None:
        return [[adapter.source, "in memory", "", "not hashed: no file"]]
    return _of_files(adapter.source, adapter.read_from)


def _of_files(source: str, opened: Mapping[Path, Version]) -> list[list[str]]:
    """A row a file, with its folder where another has its name; configurations are hashed however large the weights are."""
    weights = {path: one.size for path, one in opened.items() if path.suffix not in _CONFIGURATIONS}
    total = sum(weights.values())
    reason = f"not hashed: {total / 2**30:.1f} GiB in all" if total > LARGEST_HASHED else ""
    named = Counter(path.name for path in opened)
    return [
        [
            source,
            path.name if named[path.name] == 1 else f"{path.parent.name}/{path.name}",
            f"{version.size:,}",
            _digest(path, version, reason if path in weights else ""),
        ]
        for path, version in opened.items()
    ]


def _digest(path: Path, opened: Version, reason: str) -> str:
    """sha256 of a file, or why there is none; what is there now need not be what was opened."""
    try:
        digest = reason or sha256(path)
        now = version_in(path.stat())  # behind it, for what was written meanwhile
    except OSError:
        return _CHANGED
    return digest if now == opened else _CHANGED


def versions() -> dict[str, str]:
    """Versions of what computed the numbers and of what draws them."""
    names = ("torch", "numpy", "scipy", "plotly")
    return {
        "lora-lens": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in names},
    }


def documentation() -> str | None:
    """Where the documentation is, once the package says so."""
    named = metadata("lora-lens").get_all("Project-URL") or []
    found = dict(url.split(", ", 1) for url in named if ", https://" in url)
    return found.get("Documentation")


def facts(analysed: Analysed) -> str:
    """Method, base, modules and convention in one line."""
    one = len(analysed.adapters) == 1
    methods = list(dict.fromkeys(method(a) if one else a.title for a in analysed.adapters))
    bases = list(dict.fromkeys(str(base_named(analysed, k)) for k in range(len(analysed.adapters))))
    modules = list(dict.fromkeys(one.module for one in analysed.modules))
    counted_modules = counted(len(modules), "module")
    named = conventions(analysed)
    by = f" · conversion matrices by the convention “{named}”" if named else ""
    return f"{listed(methods)} on {listed(bases)} · {counted_modules}: {', '.join(modules)}{by}"


def adapters_table(analysed: Analysed) -> Table:
    """The adapters beside each other."""
    what = kind(*analysed.adapters).lower()
    head = [what, "method", "base", "rank", "parameters", "convention", "task and score"]
    rows = []
    for k, adapter in enumerate(analysed.adapters):
        every = analysed.sizes_of(k)
        ranks = sorted({r for sizes in every if not sizes.in_full for r in sizes.ranks})
        told = analysed.trained[k]
        rows.append(
            [
                analysed.names[k],
                adapter.title,
                str(base_named(analysed, k)),
                span(str(ranks[0]), str(ranks[-1])) if ranks else NONE,
                f"{adapter.trainable_parameters:,}",
                ", ".join(convention_of(analysed, k)) or NONE,
                NONE if told is None else told.words,
            ]
        )
    return Table(f"The {what}s", head, rows)


def adapters_told(analysed: Analysed) -> list[dict[str, Any]]:
    """The same for JSON."""
    found = []
    for k, adapter in enumerate(analysed.adapters):
        told, base = analysed.trained[k], analysed.bases[k]
        found.append(
            {
                "adapter": adapter.source,
                "name": analysed.names[k],
                "method": adapter.method,
                "base": base.source if base else None,
                "base_commit": base.commit if base else None,
                "convention": ", ".join(convention_of(analysed, k)) or None,
                "training": told and told._asdict(),
            }
        )
    return found


def choices(analysed: Analysed, command: str | None, made: str) -> list[tuple[str, str]]:
    """What was analysed and how, a pair of words and value each."""
    request = analysed.request
    rows = []
    for k, adapter in enumerate(analysed.adapters):
        rows.append((kind(adapter), f"{adapter.source} ({method(adapter)})"))
        if told := analysed.trained[k]:
            rows.append(("Trained on", f"{told.words}, says its {told.file}"))
        modules = "; ".join(map(_module_line, analysed.sizes_of(k)))
        rows += [
            ("Base model", _base_line(analysed, k)),
            ("Modules", modules),
            ("Trainable parameters", f"{adapter.trainable_parameters:,} in {_part(adapter)}"),
        ]
    rows += [
        *(("Convention", line) for line in convention_lines(analysed)),
        *_ridge_lines(request.ridge),
        *(
            [("Subspaces", _subspaces(analysed)), ("Gauge", _GAUGE)]
            if conventions(analysed)
            else []
        ),
        ("Nulls", f"{request.draws} draws each, seed {request.seed}"),
        ("Precision", f"{request.dtype} on {select_device(request.device, request.dtype).device}"),
        ("Command", command or "lora_lens.report(…) from Python"),
        ("Made", made),
        ("Versions", ", ".join(f"{name} {number}" for name, number in versions().items())),
    ]
    return rows


def _part(adapter: Adapter) -> str:
    return "the low-rank part" if adapter.modules else "matrices of which there is a ΔW"


_GAUGE = (
    "A and B as the checkpoint has them. (A, B) and (R·A, B·R⁻¹) are the same adapter; φ and "
    "shares at i = j = rank, and spectra of ΔW, do not depend on R; φ and shares of A or B at i or j below the rank do"
)


def base_named(analysed: Analysed, k: int) -> str | None:
    """An adapter's base model, with its revision where one is asked for."""
    adapter, base = analysed.adapters[k], analysed.bases[k]
    return base.source if base else with_revision(adapter.base_model, adapter.revision)


def _base_line(analysed: Analysed, k: int) -> str:
    base, named = analysed.bases[k], base_named(analysed, k)
    if base is None:
        return f"{named} (not on this machine)"
    return f"{named}, commit {base.commit}" if base.commit else str(named)


def _ridge_lines(ridge: float) -> list[tuple[str, str]]:
    said = (
        f"{ridge:g} times the median singular value of each W0, as λ in (W0ᵀW0 + λ²I)⁻¹W0ᵀ; of φ between "
        f"layers and its nulls alone"
    )
    return [("Ridge", said)] if ridge else []


def kind(*adapters: Adapter) -> str:
    """What they are called: adapters, but for models that were tuned in full alone."""
    return "Adapter" if any(one.modules for one in adapters) else "Model"


def method(adapter: Adapter) -> str:
    """The method as it is written, with the convention that a CondLoRA adapter was trained under."""
    convention = f", convention {adapter.convention}" if adapter.convention else ""
    return adapter.title + convention


def _module_line(sizes: ModuleSizes) -> str:
    ranks = sorted(set(sizes.ranks))
    rank = f"rank {ranks[0]}" if len(ranks) == 1 else f"ranks {ranks[0]} to {ranks[-1]}"
    rank = "dense" if sizes.in_full else rank
    w0 = f"W0 {sizes.out_features}×{sizes.in_features}"
    return f"{sizes.module} ({sizes.layers} layers, {rank}, {w0})"


def _subspaces(analysed: Analysed) -> str:
    ranks = sorted(
        {
            min(sizes.ranks)
            for k in range(len(analysed.adapters))
            for sizes in analysed.sizes_of(k)
            if not sizes.in_full
        }
    )
    rank = analysed.request.rank
    each = f"{rank}" if rank else " or ".join(map(str, ranks))
    return f"leading left singular vectors of the conversion matrices: i = {each}, j = {each}"
