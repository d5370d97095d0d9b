"""Writing the report, whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from ..adapter import Adapter
from ..core.conversion import ConventionChoice
from ..errors import OutputError
from ..formats.loading import Model, adapter_of
from ..staging import staged
from .analysis import Progress, analyse
from .page import check_libraries, render
from .request import Request
from .summary import told


def write_report(
    adapter: Adapter | str | Path | Model,
    path: str | Path,
    other: Adapter | str | Path | Model | None = None,
    *,
    modules: Sequence[str] | None = None,
    rank: int | None = None,
    convention: ConventionChoice = "auto",
    ridge: float = 0.0,
    draws: int | None = None,
    seed: int = 0,
    base: str | Path | None = None,
    device: str = "auto",
    dtype: str = "float64",
    made: date | None = None,
    command: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """One HTML file that holds an adapter's analyses and needs nothing else to be read.

    For each module: φ between the layers' conversion matrices beside four nulls, the share that one
    shared layer captures, the spectra of ΔW and, with `other`, φ between the two adapters. Before
    them the findings in sentences, their p corrected over all tests of the report; behind them what
    was analysed, with checksums and versions.
    The file is about 5 MB, of which plotly.js is 4.8.

    Args:
        adapter: From `load_adapter`, or what that takes.
        path: Where to write; its folder is made if it is not there.
        other: Another adapter on the same base, to compare with.
        modules: Which target modules; by default all.
        rank: As in `conversion_similarity`, `shared_subspace` and `compare`.
        convention: As in `conversion_similarity`; under ``auto`` both adapters have one convention, the
            CondLoRA adapter's where there is one.
        ridge: As in `conversion_similarity`, of which it changes the part alone.
        draws: Draws of each null, 2 or more; by default as many as the report's tests need together, at
            least 200.
        seed: Of those draws.
        base: Folder or hub id of the base model, where an adapter is given by its folder.
        device, dtype: As in `conversion_similarity`.
        made: The date in the report, by default today's: with one given, the same adapter makes
            the same file.
        command: The command in the report.
        progress: Called with (modules done, modules).

    Returns:
        The path written.

    Raises:
        MissingExtraError: The extra ``report`` is not installed.
        OutputError: It cannot be written there.
        LensError: Nothing of what was asked for can be analysed.

    Example:
        >>> import tempfile
        >>> import lora_lens as ll
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = f"{folder}/report.html"
        ...     write_report(ll.demo_adapter("lora"), path, modules=["value"], draws=2).name
        'report.html'
    """
    return make_report(
        adapter, path, other, base=base, made=made, command=command, progress=progress,
        request=Request(
            tuple(modules) if modules else None, rank, convention, draws, seed, device, dtype, ridge
        ),
    )[0]  # fmt: skip


def make_report(
    adapter: Adapter | str | Path | Model,
    path: str | Path,
    other: Adapter | str | Path | Model | None = None,
    *,
    request: Request,
    base: str | Path | None = None,
    made: date | None = None,
    command: str | None = None,
    progress: Progress | None = None,
) -> tuple[Path, dict[str, Any]]:
    """`write_report`, and the summary with its findings for JSON."""
    check_libraries()
    target = Path(path)
    if target.is_dir():
        raise OutputError(f"cannot write {target}: it is a folder; name a file in it")
    with staged(target.parent) as folder:
        one = adapter_of(adapter, base)
        two = None if other is None else adapter_of(other, base)
        analysed = analyse(one, two, request, progress)
        text = render(analysed, command=command, made=(made or date.today()).isoformat())
        (folder / target.name).write_text(text, encoding="utf-8", newline="\n")
    return target, told(analysed)
