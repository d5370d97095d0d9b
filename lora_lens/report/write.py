"""Writing the report, whole or not at all."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Hashable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from ..adapter import Adapter
from ..chance.p_values import check_seed
from ..core.computing.progress import Progress
from ..core.conversions.conversion import ConventionChoice
from ..core.numbers.whole import whole_or_none
from ..errors import LensError, RefusedOutputError
from ..files.hub_adapters import hub_id
from ..files.locate import user_path
from ..formats.loading import Model, adapter_of
from ..ledger import one_command
from ..plain_torch import in_plain_torch
from ..several import several
from ..show.time_left import TimeLeft
from ..staging import staged_file
from .analysis import Watch, analyse
from .libraries import check_libraries
from .page import render
from .request import Request
from .summary import told

_ENDING = ".html"


@in_plain_torch
def report(
    adapter: Adapter | str | Path | Model,
    *others: Adapter | str | Path | Model,
    out: str | Path = "report.html",
    module: str | Sequence[str] | None = None,
    rank: int | None = None,
    convention: ConventionChoice = "auto",
    ridge: float = 0.0,
    draws: int | None = None,
    seed: int = 0,
    made: date | None = None,
    base: str | Path | None = None,
    device: str = "auto",
    dtype: str = "float64",
    memory: str | int | None = None,
    command: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """One HTML file that holds an adapter's analyses and needs nothing else to be read.

    For each module: φ between the layers' conversion matrices beside four nulls, the share that one
    shared layer captures, the spectra of ΔW beside W0's and the ranks that they suggest. Of several adapters
    each has its own, under its own convention, and every two of them φ between each other, so that
    nothing hangs on their order; of more than a few `adapter_matrix` says more in less. Before all that
    the findings in sentences, their p corrected over all tests of the report; behind them what
    was analysed, with checksums and versions. Of what was trained in full, as of a model that was tuned in full from `base`,
    there are the spectra of ΔW and φ to others; what is of A and B is left out, and said to be.
    The file is about 5 MB, of which plotly.js is 4.8.

    Args:
        adapter: From `load_adapter`, or what that takes: a folder, a file, a hub id, a model in memory.
        others: Others on the same base: each analysed too, and every two compared. Two that were read from one
            place count as one.
        out: The file to write, whose name ends in ``.html``; its folder is made if it is not there.
        module: Only this target module, or these; by default all with factors, or all in layers of models that were tuned in full.
        rank: As in `conversion_similarity`, `shared_subspace` and `compare`; between two that were trained in full 64, or half of
            ΔW's directions.
        convention: As in `conversion_similarity`.
        ridge: As in `conversion_similarity`, of which it changes the part alone.
        draws: Draws of each null, 2 or more; by default as many as the report's tests need together, at
            least 200.
        seed: Of those draws.
        made: The date in the report, by default today's: with one given, the same call makes
            the same file.
        base: Folder or hub id of the base model, where an adapter is given by its folder.
        device, dtype: As in `conversion_similarity`.
        memory: As there, of each part by itself: one question about one module. Beside it are the results of
            all parts, and the page that they make.
        command: The command in the report.
        progress: Called with (parts done, parts), a part being one question about a module of an adapter or of two.

    Returns:
        The path written.

    Raises:
        MissingExtraError: The extra ``report`` is not installed.
        OutputError: It cannot be written there.
        RefusedOutputError: It has another name, or is, or lies in, what is read.
        LensError: `made` is no date, one adapter is given twice, nothing of what was asked for can be analysed, or some part takes more than `memory`.

    Example:
        >>> import tempfile
        >>> import lora_lens as ll
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     out = f"{folder}/report.html"
        ...     ll.report(ll.demo_adapter("lora"), out=out, module="value", draws=2).name
        'report.html'
    """
    request = Request(
        modules=several(module or ()) or None,
        rank=whole_or_none(rank, "rank"),
        convention=convention,
        draws=whole_or_none(draws, "draws"),
        seed=check_seed(seed),
        device=device,
        dtype=dtype,
        ridge=ridge,
        memory=memory,
    )
    path, _ = make_report(
        adapter,
        out,
        others,
        request=request,
        base=base,
        made=made,
        command=command,
        watch=_counting(progress),
    )
    return path


def write_report(
    adapter: Adapter | str | Path | Model,
    path: str | Path,
    other: Adapter | str | Path | Model | None = None,
    *,
    modules: Sequence[str] | None = None,
    **options: Any,
) -> Path:
    """`report` as it was called before it took several others: `path` is its ``out``, `modules` its ``module``.

    Args:
        adapter, other: As in `report`.
        path: The file to write.
        modules: Which target modules; by default all.
        options: Every other of `report`'s.

    Example:
        >>> import tempfile
        >>> import lora_lens as ll
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = f"{folder}/report.html"
        ...     write_report(ll.demo_adapter("lora"), path, modules=["value"], draws=2).name
        'report.html'
    """
    others = [] if other is None else [other]
    return report(adapter, *others, out=path, module=modules, **options)


def _check_different(
    given: Sequence[Adapter | str | Path | Model], adapters: Sequence[Adapter]
) -> None:
    """Of one with itself there is nothing to find, and what is found is counted among the tests."""
    counted = Counter(map(_origin, given, adapters))
    if twice := [
        adapter.source
        for one, adapter in zip(given, adapters, strict=True)
        if counted[_origin(one, adapter)] > 1
    ]:
        raise LensError(f"{twice[0]} is given twice; expected different adapters")


def _origin(given: Adapter | str | Path | Model, adapter: Adapter) -> Hashable:
    """What two that are one adapter have alike: where its files lie, whatever leads there; of one in memory, itself."""
    source = user_path(adapter.source)
    if os.path.exists(source):  # noqa: PTH110  (a name that is too long is none, not an error)
        return source.resolve()
    return adapter.source if hub_id(source) else id(given)


def _counting(progress: Progress | None) -> Watch | None:
    """Progress by the number of parts that are done."""
    if progress is None:
        return None
    told = 0

    def watch(ahead: TimeLeft) -> None:
        nonlocal told
        if ahead.done > told:
            told = ahead.done
            progress(ahead.done, ahead.parts)

    return watch


@one_command()
def make_report(
    adapter: Adapter | str | Path | Model,
    path: str | Path,
    others: Sequence[Adapter | str | Path | Model] = (),
    *,
    request: Request,
    base: str | Path | None = None,
    made: date | None = None,
    command: str | None = None,
    watch: Watch | None = None,
) -> tuple[Path, dict[str, Any]]:
    """`report`, and the summary with its findings for JSON.

    `watch` is told how long it will take before it begins, and what is left as each part goes on; when all are
    done, the page is written.
    """
    if not (made is None or isinstance(made, date)):
        raise LensError(f"made is {made!r:.60}; expected a datetime.date, as date(2026, 1, 31)")
    check_libraries()
    given = (adapter, *others)
    target = Path(path)
    if target.suffix.lower() != _ENDING and (target.is_file() or not os.path.lexists(target)):
        raise RefusedOutputError(
            f"{target} does not end in {_ENDING}, as a report's name has to, which no file of an adapter or a base has; name "
            f"another by --out, as {target}{_ENDING}"
        )
    with staged_file(target) as file:
        adapters = [adapter_of(one, base) for one in given]
        _check_different(given, adapters)
        analysed = analyse(adapters, request, watch)
        summary = told(analysed)
        text = render(analysed, summary, command=command, made=(made or date.today()).isoformat())
        file.write_text(text, encoding="utf-8", newline="\n")
    return target, summary
