"""How does an adapter come to be? φ to the end point and to the first checkpoint over a run's checkpoints."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ...chance.baseline import Baseline
from ...chance.gaussian_moments import gaussian_baseline
from ...core.computing.progress import Progress, Steps
from ...core.numbers.whole import whole
from ...errors import AdapterError
from ...files.checkpoints import RunPoint, run_points
from ...files.locate import user_path
from ...files.revisions import with_revision
from ...formats import load_adapter
from ...formats.opening import all_stems
from ...labelled import Array
from ...plain_torch import in_plain_torch
from ...show.wording import few
from ...subspaces.device import select_device
from ...subspaces.factors import SPACES
from ...subspaces.ties import gauge_note, tie_note
from .checkpoint import (
    CheckpointSubspaces,
    checkpoint_subspaces,
    end_point_subspaces,
    phi_between,
)
from .followed import Followed, followed
from .result import DynamicsResult

_MATRICES = {"A": ("A",), "B": ("B",), "ΔW": ("delta_left", "delta_right")}
_MOST_NAMED = 3
_SAME_W0 = (
    "checkpoints make A and B of the same W0, which alone can make them alike, and their layers: unrelated subspaces may be too low a "
    "bar for them, and scatter less"
)


@in_plain_torch
def dynamics(
    folder: str | Path,
    module: str = "value",
    rank: int | None = None,
    *,
    base: str | Path | None = None,
    device: str = "auto",
    dtype: str = "float64",
    progress: Progress | None = None,
) -> DynamicsResult:
    """φ of A, B and ΔW to the end point and to the first checkpoint, norms and ranks, over a run's checkpoints.

    Checkpoints are ``checkpoint-N`` in the run's folder or in its ``checkpoints/``, sorted by N; broken
    ones are passed over with a note. The end point is the run's own adapter where it has one (often
    its best checkpoint, not its last), else the last checkpoint. Where `base` is named they may be whole models that were
    tuned in full from it: of these there is ΔW alone, what was saved less W0, whose leading directions are followed, one layer
    at a time; layers in which it is zero at the end point are left out.

    Where a matrix has fewer than `rank` singular vectors (B is zero before the first step), φ does not
    exist: it is NaN, and a note says so. φ "to start" is to the first checkpoint that was kept, which is the run's start
    if it is of step 0 or has learnt nothing; of a matrix that does not exist there, to the first one at which it does in every layer,
    before which it is NaN. Below the adapter's own rank, φ of A and of B depends on the gauge in which training left them; φ of ΔW does not.

    Args:
        folder: The run's folder.
        module: As in `conversion_similarity`.
        rank: i = j; by default the end point's smallest rank; of what was trained in full, 64 or half of its directions.
        base: As in `load_adapter`; only CondLoRA and what was trained in full need it.
        device, dtype: As in `conversion_similarity`.
        progress: Called with the number of checkpoints done, and of all.

    Raises:
        AdapterError: There are no checkpoints, or they are not of one run.
        RankError: `rank` is above the numerical rank of a factor of the end point; or ΔW of what was trained in full is zero there.

    Example:
        >>> import shutil, tempfile
        >>> import lora_lens as ll
        >>> with tempfile.TemporaryDirectory() as run:
        ...     for step in (100, 200):
        ...         _ = shutil.copytree(ll.demo_adapter("lora"), f"{run}/checkpoint-{step}")
        ...     result = ll.dynamics(run, "value")
        >>> result.names
        ('checkpoint-100', 'checkpoint-200')
    """
    of_base = None if base is None else user_path(base)
    found = run_points(user_path(folder), all_stems(), of_base)
    where = select_device(device, dtype)
    last = found.points[-1]
    adapter = load_adapter(last.folder, base)
    own = followed(adapter, module)
    rank = own.rank if rank is None else whole(rank, "rank")
    end = end_point_subspaces(last.name, last.folder, own, rank, where)
    end, kept = _changed(end, own)
    ends = dict.fromkeys(SPACES, end)
    starts: dict[str, CheckpointSubspaces] = {}
    rows: list[_Row] = []
    saved: dict[str | None, list[str]] = {}
    caveats: dict[str, None] = {}
    twins: list[str] = []
    steps = Steps(progress, len(found.points))
    steps.advance(0)
    for point in found.points:
        here, checkpoint = end, adapter
        if point is not last:
            checkpoint = load_adapter(point.folder, base)
            each = followed(checkpoint, module)
            _check_same_run(point, each, last, own)
            each = each if kept is own else each.of_layers(kept.layers)
            here = checkpoint_subspaces(point.name, each, rank, where)
            if all(map(torch.equal, each.numbers(), kept.numbers())):
                twins.append(point.name)
        saved.setdefault(checkpoint.origin.rounded, []).append(point.name)
        caveats |= dict.fromkeys(checkpoint.caveats)
        starts |= {
            space: here
            for space, exists in here.exists.items()
            if space not in starts and exists.all()
        }
        rows.append(
            _Row(
                here.name,
                phi_between(here, ends),
                phi_between(here, starts),
                here.norms,
                here.ranks,
                here.tied,
            )
        )
        steps.advance()
    return DynamicsResult(
        run=str(user_path(folder)),
        method=adapter.method,
        module=kept.module,
        rank=rank,
        layers=kept.layers,
        names=tuple(point.name for point in found.points),
        steps=tuple(point.step for point in found.points),
        starts={space: starts[space].name for space in end.exists},
        end=end.name,
        to_end=_stacked([row.to_end for row in rows]),
        to_start=_stacked([row.to_start for row in rows]),
        norms=_stacked([row.norms for row in rows]),
        ranks=_stacked([row.ranks for row in rows]),
        baselines={space: _gaussian(kept, space, rank) for space in end.exists},
        notes=(
            *found.notes,
            *caveats,
            *_saved_in(saved),
            *([_SAME_W0] if adapter.from_w0 and len(rows) > 1 else []),
            *_of_what(own, kept, end.name, rank),
            *([f"{end.name} holds {_held(own)} of {', '.join(twins)}"] if twins else []),
            *_notes(rows, starts, own, rank),
        ),
        base=with_revision(adapter.base_model, adapter.revision),
        base_commit=adapter.base_commit,
        twins=tuple(twins),
    )


class _Row(NamedTuple):
    """What is kept of a checkpoint: numbers by layer."""

    name: str
    to_end: Mapping[str, Array]
    to_start: Mapping[str, Array]
    norms: Mapping[str, Array]
    ranks: Mapping[str, Array]
    tied: Mapping[str, NDArray[np.bool_]]


def _changed(end: CheckpointSubspaces, module: Followed) -> tuple[CheckpointSubspaces, Followed]:
    """Without layers of what was trained in full that were not changed."""
    kept = np.flatnonzero(end.norms["delta"])
    if not module.in_full or len(kept) == len(module.layers):
        return end, module
    return end.of_layers(kept.tolist()), module.of_layers([module.layers[k] for k in kept])


def _saved_in(saved: Mapping[str | None, Sequence[str]]) -> Iterator[str]:
    """Where the checkpoints of a model are of several dtypes, each of which rounds W0 and what was learnt in its own way."""
    if len(saved) > 1:
        listed = "; ".join(
            f"{few(names, _MOST_NAMED)} in {dtype}" for dtype, names in saved.items()
        )
        yield f"checkpoints are saved in several dtypes ({listed}), so that the same weights have another ΔW in each"


def _held(module: Followed) -> str:
    return "the ΔW" if module.in_full else "the factors"


def _of_what(module: Followed, kept: Followed, end: str, rank: int) -> Iterator[str]:
    if module.factors is not None:
        if module.factors.magnitude is not None:
            yield "ΔW is s·B·A here, of every checkpoint"
        return
    yield (
        f"{module.module} was trained in full: ΔW is what was saved less W0, and φ is of its leading {rank} of "
        f"{min(module.out_features, module.in_features)} directions; it has no A and B, which are left out"
    )
    if unchanged := [str(layer) for layer in module.layers if layer not in kept.layers]:
        yield (
            f"ΔW of {module.module} is zero at {end} in layer{'s' * (len(unchanged) > 1)} {', '.join(unchanged)}, "
            f"which {'are' if len(unchanged) > 1 else 'is'} left out"
        )


def _check_same_run(point: RunPoint, module: Followed, last: RunPoint, end: Followed) -> None:
    if module.in_full != end.in_full:
        full, other = (point, last) if module.in_full else (last, point)
        raise AdapterError(
            f"{module.module} was trained in full in {full.folder} and has A and B in {other.folder}; "
            f"they are not checkpoints of one run"
        )
    for what in ("layers", "in_features", "out_features"):
        here, there = getattr(module, what), getattr(end, what)
        if here != there:
            raise AdapterError(
                f"{module.module} has {what} {here} in {point.folder} and {there} in {last.folder}; "
                f"they are not checkpoints of one run"
            )


def _stacked(rows: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def _gaussian(module: Followed, space: str, rank: int) -> Baseline:
    d = module.in_features if SPACES[space].side == "right" else module.out_features
    mean, sd = gaussian_baseline(d, rank)
    return Baseline(mean, sd, sd / math.sqrt(len(module.layers)), closed=True)


def _notes(
    rows: Sequence[_Row],
    starts: Mapping[str, CheckpointSubspaces],
    module: Followed,
    rank: int,
) -> Iterator[str]:
    lacking: dict[tuple[str, ...], list[str]] = {}
    later: dict[str, list[str]] = {}
    matrices = {name: spaces for name, spaces in _MATRICES.items() if set(spaces) <= set(starts)}
    for matrix, spaces in matrices.items():
        if (start := starts[spaces[0]].name) != rows[0].name:
            later.setdefault(start, []).append(matrix)
        without = tuple(
            row.name for row in rows if any(np.isnan(row.to_end[space]).any() for space in spaces)
        )
        if without:
            lacking.setdefault(without, []).append(matrix)
    made_zero = "delta" if module.in_full else "B"
    zero = {row.name for row in rows if (row.norms[made_zero] == 0).any()}
    for without, names in lacking.items():
        why = f" ({'ΔW' if module.in_full else 'B'} is zero there)"
        why = why if zero.issuperset(without) else ""
        yield (
            f"at {few(without, _MOST_NAMED)} φ of {' and '.join(names)} does not exist: in some layer there are "
            f"fewer than {rank} singular vectors{why}"
        )
    for matrix, (space, *_) in matrices.items():
        if ties := tuple(row.name for row in rows if row.tied[space].any()):
            yield tie_note(rank, matrix, f"in some layer of {few(ties, _MOST_NAMED)}")
    for start, names in later.items():
        yield f"in place of {rows[0].name} φ of {' and '.join(names)} is to {start}, the first where all layers have {rank} singular vectors"
    if module.factors is not None and rank < (most := max(module.factors.ranks)):
        yield gauge_note(f"{rank} is below the adapter's rank {most}")
    if len(rows) == 1:
        yield f"{rows[0].name} is the only checkpoint, so there is no change to follow"
