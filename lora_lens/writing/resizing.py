"""An adapter → the nearest one of lower ranks, in the format that it was in."""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import Any

from ..adapter import Adapter
from ..core.spectra.energy import check_share
from ..errors import AdapterError, LensError
from ..files.locate import user_path
from ..files.peft_names import CONFIG, WEIGHTS
from ..files.saving import save_tensors
from ..formats.adapter_files import AdapterFiles
from ..formats.diffusers_lora import settings_by_root
from ..formats.format import Checkpoint, format_of
from ..formats.image.places import METADATA
from ..formats.kohya import RSLORA_FLAG
from ..formats.loading import low_rank
from ..formats.opening import open_adapter
from ..formats.peft.names import module_of
from ..ledger import one_command
from ..plain_torch import in_plain_torch
from ..several import counted
from ..staging import staged
from ..updates import LowRank
from .free import check_free
from .narrowed import Narrowed, narrowed, raised
from .resized import Resized
from .scales import NewRank, header_settings, parts_settings, peft_settings

_PART = re.compile(r"-[0-9]{5}-of-[0-9]{5}$")
_SINCE = "0.40"  # diffusers, whose get_peft_kwargs mirrors ranks into α
_FORMATS = {"peft_lora": "PEFT's LoRA", "kohya": "kohya's", "diffusers_lora": "diffusers'"}


@in_plain_torch
@one_command()
def resize(
    path: Adapter | str | Path,
    out: str | Path,
    rank: int | None = None,
    energy: float | None = None,
) -> Resized:
    """Lower an adapter's rank after training: every module's ΔW by its nearest matrix of the new rank, in the adapter's own format.

    By Eckart and Young no other adapter of these ranks is nearer, module by module, in the Frobenius norm. It is found from A and B,
    and ΔW is never formed. The scale s stays what it is, or, where an image model's file has a tensor of α for it, α; the
    numbers' dtype too. All other tensors are copied as they are. What scores the cut adapter has is not known from this: near in ΔW is not near in what a model says.

    Args:
        path: The adapter, PEFT's LoRA, or an image model's file as kohya's sd-scripts, LyCORIS (LoRA and LoCon without
            core), diffusers or ComfyUI write it: from `load_adapter`, or its folder, file or hub id.
        out: Folder to write to: ``adapter_config.json`` and ``adapter_model.safetensors``, or one file of the name it had.
            What else lies beside the adapter, a tokenizer or a card, is not copied.
        rank: Of every module, at most.
        energy: Share of each module's ‖ΔW‖_F² to keep, above 0 and at most 1: the least rank that does. With `rank`
            too, no more than that. Its relative error is √(1 − energy) at most, but for rounding. The two pairs of torch's
            MultiheadAttention have one rank in PEFT, the greater of theirs.

    Returns:
        `Resized`: ranks, errors of what was written, numbers before and after.

    Raises:
        LensError: Neither `rank` nor `energy` is given, or one is out of range.
        AdapterError: The adapter is of another format, or has updates that are not two tensors of it (DoRA, PEFT's experts
            and PiSSA; of an image model's file these modules stay as they are, as LoHa, and a note says so); no rank of it
            would be lower; numbers are beyond what can be squared in float64; or `out` holds an adapter.
        OutputError: `out` cannot be written.

    Example:
        >>> import tempfile
        >>> import lora_lens as ll
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     found = ll.resize(ll.demo_adapter("lora"), folder, rank=4)
        ...     ll.load_adapter(folder).modules["value"].ranks, found.parameters
        ((4, 4, 4, 4, 4, 4), (73728, 36864))
    """
    _check_asked(rank, energy)
    rank = None if rank is None else int(rank)  # NumPy's are none of JSON
    files = _opened(path)
    found = format_of(files)
    if found.name not in _FORMATS:
        raise AdapterError(
            f"{files.source} is {found.title}; resize takes {', '.join(_FORMATS.values())} and ComfyUI's: turn it into "
            f"one of these first (CondLoRA by lora-lens export)"
        )
    checkpoint = found.read(files)
    updates, others = _cut(files, checkpoint, low_rank(files, checkpoint))
    _check_flag(files, updates)
    target = user_path(out)
    name = WEIGHTS if files.config else _file_name(files)
    free = partial(check_free, target, name, CONFIG)
    with staged(target, last=CONFIG if files.config else name, check=free, result=True) as folder:
        modules = {p: narrowed(files, p, one, rank, energy) for p, one in updates.items()}
        for p, k in raised(updates, modules).items():
            modules[p] = narrowed(files, p, updates[p], k, None)
        if all(one.told.kept_rank == one.told.rank for one in modules.values()):
            raise AdapterError(_nothing_lower(files.source, modules, rank, energy))
        ranks = {p: one.rank for p, one in modules.items()}
        new = {key: tensor for one in modules.values() for key, tensor in one.tensors.items()}
        rest = {
            key: files.tensors.get(key).clone().contiguous() for key in files.names - new.keys()
        }
        if RSLORA_FLAG in rest:
            rest[RSLORA_FLAG].zero_()  # α/r is s as it is, as in PEFT's settings
        header = header_settings(files.tensors.metadata, ranks)
        if METADATA in header:
            kept = _kept_ranks(files, others)
            said = json.loads(header[METADATA]) | parts_settings(
                settings_by_root(files), ranks | kept
            )
            header[METADATA] = json.dumps(said, sort_keys=True)
        save_tensors(rest | new, folder / name, {"format": "pt"} | header)
        if files.config:
            settings = peft_settings(files.config, ranks | _of_rank_0(files, checkpoint))
            text = json.dumps(settings, indent=2, sort_keys=True)
            (folder / CONFIG).write_text(text + "\n", encoding="utf-8")
    return Resized(
        files.source,
        target,
        tuple(one.told for one in modules.values()),
        (
            *checkpoint.caveats,
            *_others_said(others),
            *_mixed_said(files, updates, ranks),
            *_lost_said(files),
        ),
    )


def _check_asked(rank: Any, energy: Any) -> None:
    if rank is None and energy is None:
        raise LensError(
            "neither rank nor energy is given; expected a rank, a share of energy, or both"
        )
    whole = isinstance(rank, Integral) and not isinstance(rank, bool)
    if rank is not None and not (whole and int(rank) > 0):
        raise LensError(f"rank is {rank!r:.60}, expected a whole number above 0")
    if energy is not None:
        check_share(energy)


def _opened(given: Adapter | str | Path) -> AdapterFiles:
    if isinstance(given, Adapter):
        if given.live is not None:
            raise AdapterError(
                f"{given.source} was read from a model in memory; save that model first"
            )
        return open_adapter(given.source)
    if not isinstance(given, str | Path):
        raise AdapterError(
            f"the adapter is a {type(given).__name__}, expected its folder, its file or a hub id; save a model in memory first"
        )
    return open_adapter(given)


def _cut(
    files: AdapterFiles, checkpoint: Checkpoint, updates: Mapping[str, LowRank]
) -> tuple[dict[str, LowRank], dict[str, LowRank]]:
    """The updates that are s·B·A of two tensors of the file, and the others, which stay as they are.

    Raises:
        AdapterError: There is none; or some would keep their rank where a configuration says another.
    """
    found = {
        path: one
        for path, one in updates.items()
        if one.magnitude is None and _is_stored(files, one)
    }
    others = {path: one for path, one in updates.items() if path not in found}
    if others and (files.config or not found):
        first = next(iter(others))
        if others[first].magnitude is not None:
            raise AdapterError(
                f"{files.source} is {checkpoint.title}, whose ΔW is of full rank: the nearest of a lower rank is no {checkpoint.title}"
            )
        raise AdapterError(
            f"{files.source}: the ΔW of {first} is not made of two matrices of the file alone, and no two of a lower rank "
            f"can take their places"
        )
    for name, reason in checkpoint.left_out.items() if files.config else ():
        if ("lora_A" in name or "lora_embedding_A" in name) and files.shape(name)[0]:
            raise AdapterError(
                f"{files.source}: {name} is left out ({reason.why}), and would keep its rank where the configuration says another"
            )
    return found, others


def _others_said(others: Collection[str]) -> Iterator[str]:
    """Which modules stay as they were."""
    if others:
        yield (
            f"{counted(len(others), 'module')} stay as they were, for their ΔW is not made of two matrices of the file alone: "
            f"{next(iter(others))}{' and others' * (len(others) > 1)}"
        )


def _check_flag(files: AdapterFiles, cut: Mapping[str, LowRank]) -> None:
    """Refuse a file whose rsLoRA's flag holds for modules that stay, which would have another s without it.

    Raises:
        AdapterError: It does.
    """
    if RSLORA_FLAG not in files.names or not files.number(RSLORA_FLAG):
        return
    used = {name for one in cut.values() for name in one.tensors}
    kept = sorted(n for n in files.names - used if n.endswith(".alpha"))
    if kept:
        raise AdapterError(
            f"{files.source} says by {RSLORA_FLAG} that s is α/√rank of every module; lower ranks are written without that flag, and "
            f"{kept[0].removesuffix('.alpha')}, which would stay as it is, would have another s: take that module out of the file first"
        )


def _kept_ranks(files: AdapterFiles, others: Mapping[str, LowRank]) -> dict[str, NewRank]:
    """What modules that stay have, where the header's settings say it: those with two matrices, as DoRA's."""
    return {
        path: NewRank(one.a.shape[0], one.scaling)
        for path, one in others.items()
        if _is_stored(files, one)
    }


def _of_rank_0(files: AdapterFiles, checkpoint: Checkpoint) -> dict[str, NewRank]:
    """Layers that mergekit found no ΔW for, which stay as they are."""
    ends = (".lora_A", ".lora_embedding_A")
    found = {module_of(name): files.shape(name)[0] for name in checkpoint.left_out}
    return {
        path.removesuffix(end): NewRank(0, 0.0)
        for path, rank in found.items()
        for end in ends
        if path.endswith(end) and not rank
    }


def _is_stored(files: AdapterFiles, update: LowRank) -> bool:
    """Whether both factors are tensors of the file as they lie there."""
    for factor in (update.a, update.b):
        shape = files.shape(factor.name) if factor.name in files.names else ()
        if not shape or (shape[0], math.prod(shape[1:])) != factor.shape:
            return False
    return True


def _file_name(files: AdapterFiles) -> str:
    """Of the one file that it is in, or of the first of several parts without its number, as a safetensors file."""
    return f"{_PART.sub('', Path(min(files.tensors.files.values())).stem)}.safetensors"


def _lost_said(files: AdapterFiles) -> Iterator[str]:
    """What of a ``.bin`` is not written: tensors in dictionaries of their own, as of an optimizer."""
    if beside := files.tensors.beside:
        more = f" and {len(beside) - 1} more" if len(beside) > 1 else ""
        yield f"not copied, for they lie beside the weights in dictionaries of their own: {beside[0]}{more}"


def _mixed_said(
    files: AdapterFiles, updates: Mapping[str, LowRank], ranks: Mapping[str, NewRank]
) -> Iterator[str]:
    """What has to be said of parts of a pipeline in which modules differ in rank and nothing in the file says α."""
    roots = () if files.config else tuple(settings_by_root(files))
    found: defaultdict[str, set[int]] = defaultdict(set)
    for path, one in ranks.items():
        if not files.config and len(updates[path].tensors) == 2 and not path.startswith(roots):
            found[path.partition(".")[0]].add(one.rank)
    if mixed := [part for part, of in found.items() if len(of) > 1]:
        yield (
            f"the file says no α, and modules of {' and '.join(mixed)} differ in rank: s is 1, as ComfyUI and diffusers from "
            f"{_SINCE} on take it; older diffusers take the first module's rank for the α of all, and so another s for some. "
            f"For these, give the rank alone, one that every module has"
        )


def _nothing_lower(
    source: str, modules: Mapping[str, Narrowed], rank: int | None, energy: float | None
) -> str:
    has = max(one.told.rank for one in modules.values())
    asked = " and ".join(
        word
        for word, given in ((f"rank {rank}", rank), (f"{energy} of the energy", energy))
        if given is not None
    )
    return (
        f"{source} has ranks up to {has}, and none would be lower with {asked}; ask for a lower one"
    )
