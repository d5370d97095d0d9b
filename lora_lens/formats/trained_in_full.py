"""Modules that are saved whole as dense updates, ΔW = saved − W0: PEFT's ``modules_to_save``, where the base is at hand, and a model's that was tuned in full.

Of two factors one is the identity, so that whatever takes factors of any rank takes them: no number is
rounded for it, and none is read before it is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import NamedTuple

from jaxtyping import Float

from ..arrays import Tensor, dtype_name
from ..bases.live import IN_MEMORY
from ..bases.weights import BaseWeights
from ..core.numbers.either import is_finite
from ..errors import AdapterError, BaseModelError, LensError
from ..updates import Factor, LowRank
from .adapter_files import AdapterFiles
from .factors.stacking import check_factor
from .format import Checkpoint
from .peft.names import FULL, module_of

TUNED = "tuned in full"
_MOST = 1 << 28  # numbers of one module
_HALF = ("bfloat16", "float16")
WEIGHTS = (".weight", ".in_proj_weight")  # the second is that of torch's own attention


class InFull(NamedTuple):
    """What was trained in full.

    Attributes:
        updates: Path of each module to ΔW, of two factors of which one is the identity.
        reasons: Tensor to why it is no such update.
        notes: What has to be said of how they were made.
        caveats: What every question has to say.
        saved_in: The dtype of a model that was tuned in full.
    """

    updates: Mapping[str, LowRank]
    reasons: Mapping[str, str]
    notes: tuple[str, ...]
    caveats: tuple[str, ...] = ()
    saved_in: str | None = None


def trained_in_full(files: AdapterFiles, found: Checkpoint) -> InFull:
    """The dense updates of an adapter, by the shapes of the base; no W0 is read for it, and an adapter's is not downloaded.

    Raises:
        AdapterError: A saved matrix is not of finite floats.
    """
    every: dict[str, list[str]] = {}
    for name, reason in found.left_out.items():
        whole = reason.kind != "other" and name.endswith(WEIGHTS)
        if whole and len(files.shape(name)) >= 2:
            every.setdefault(module_of(name), []).append(name)
    several = {
        path: names for path, names in every.items() if len(names) > 1 and not _alike(files, names)
    }
    saved = {path: names[0] for path, names in every.items() if path not in several}
    if not saved and not several:
        return InFull({}, {}, ())
    try:
        base = replace(files.open_base(download=files.whole_model), placement=found.placement)
    except LensError:
        lacking = f"{FULL}; its ΔW needs the base"
        said = (name for name in saved.values() if found.left_out[name].kind == "in full")
        return InFull({}, dict.fromkeys(said, lacking), (), _several_said(files.source, several))
    in_files = _base_in_files(files, base)
    updates: dict[str, LowRank] = {}
    reasons = {
        name: f"{FULL}, as {len(names)} that differ: which of them is used the file does not say"
        for names in several.values()
        for name in names
    }
    for path, name in saved.items():
        why = _why_not(files, (base, in_files), path, name)
        if why:
            if found.left_out[name].kind == "in full":
                reasons[name] = (TUNED if files.whole_model else FULL) + why
            continue
        if (
            not files.whole_model
        ):  # billions of numbers, each of which is checked when its ΔW is made
            check_factor(f"what was saved of {path}", files.factor(name, unfolded=True))
        updates[path] = _update(files, base, path, name)
    saved_in = None
    if files.whole_model and updates:
        first = files.factor(next(iter(updates.values())).tensors[0], unfolded=True)
        saved_in = dtype_name(first.read().dtype)
    return InFull(
        updates,
        reasons,
        tuple(_notes(files, updates, base.source, in_files, saved_in)),
        (*_caveats(files.source, saved_in), *_several_said(files.source, several)),
        saved_in,
    )


def _alike(files: AdapterFiles, names: list[str]) -> bool:
    """Whether copies of one module are the same numbers."""
    first, *others = (files.factor(name, unfolded=True) for name in names)
    return all(
        one.shape == first.shape and bool((one.read().double() == first.read().double()).all())
        for one in others
    )


def _several_said(source: str, several: Mapping[str, list[str]]) -> tuple[str, ...]:
    return tuple(
        f"{source} has {len(names)} whole copies of {path} that differ ({', '.join(names)}): which of them is used it does not say, and none is shown"
        for path, names in several.items()
    )


def _base_in_files(files: AdapterFiles, base: BaseWeights) -> BaseWeights | None:
    """The files that a model in memory was loaded from, where its own W0 is read; None where they are not on this machine."""
    if files.live is None or files.base_given is not None:
        return None
    loaded = base.source.removesuffix(IN_MEMORY)
    try:
        return replace(files, live=None, base_given=loaded).open_base(download=False)
    except LensError:
        return None


def _why_not(
    files: AdapterFiles, bases: Iterable[BaseWeights | None], path: str, name: str
) -> str | None:
    """Why what was saved is no update of the base's W0, where it is none.

    In memory a head that is new has numbers too, drawn when the model was loaded, of which its files tell that they are not
    those that training began with.
    """
    shape = files.shape(name)
    for base in filter(None, bases):
        try:
            if not base.holds(path):
                return ", and new: not in the base"
            own = base.stored_shape(path)
        except LensError as error:
            return f"; its W0 is not known: {error}"
        if own != shape:
            sizes = ["x".join(map(str, each)) for each in (shape, own)]
            return f", and new: it is {sizes[0]}, and W0 {sizes[1]}"
    if math.prod(shape) > _MOST:
        return f"; its ΔW has {math.prod(shape):,} numbers, more than the {_MOST:,} that are taken"
    return None


def _update(files: AdapterFiles, base: BaseWeights, path: str, name: str) -> LowRank:
    rows, columns = files.factor(name, unfolded=True).shape
    try:
        turned = len(files.shape(name)) == 2 and base.is_conv1d(path)
    except BaseModelError:  # nothing tells; singular values are the same
        turned = False
    out, into = (columns, rows) if turned else (rows, columns)
    dense = Factor(
        name,
        (out, into),
        partial(_difference, files, base, path, name, turned=turned),
        partial(_release, files, base, path, name),
    )
    one = _identity(min(out, into))
    a, b = (one, dense) if into <= out else (dense, one)
    return LowRank(a, b, 1.0, (name,), unchanged=partial(_unchanged, files, base, path, name))


@cache
def _identity(rank: int) -> Factor:
    """One for all layers, which are stacked without a copy for each."""
    return Factor("identity", (rank, rank), partial(_eye, rank))


def _eye(rank: int) -> Tensor:
    import torch

    return torch.eye(rank, dtype=torch.float32)


def _release(files: AdapterFiles, base: BaseWeights, path: str, name: str) -> None:
    files.tensors.release(name)
    base.release(path)


def _difference(
    files: AdapterFiles, base: BaseWeights, path: str, name: str, *, turned: bool
) -> Tensor:
    """Saved − W0 as (out, in), in float32, or in float64 where either is; W0 as exact as what was saved of it.

    Raises:
        AdapterError: It is not finite, or what was saved is of fewer bits.
        BaseModelError: W0 is no matrix of finite floats.
    """
    import torch

    saved, w0 = _saved_and_w0(files, base, path, name)
    wide = torch.promote_types(torch.promote_types(saved.dtype, w0.dtype), torch.float32)
    found = saved.to(wide) - w0.to(saved.dtype).to(wide)
    if not bool(found.isfinite().all()):
        raise AdapterError(f"ΔW of {path}, what {files.source} has of it less W0, is not finite")
    return found.T if turned else found


def _unchanged(files: AdapterFiles, base: BaseWeights, path: str, name: str) -> bool:
    """Whether `_difference` is exactly zero, which is not made for it.

    Raises:
        AdapterError, BaseModelError: As `_difference`, but that what is not finite is no zero.
    """
    import torch

    saved, w0 = _saved_and_w0(files, base, path, name)
    # A W0 that is finite may be past the range of what was saved.
    return torch.equal(saved, w0.to(saved.dtype)) and (saved.dtype == w0.dtype or is_finite(saved))


def _saved_and_w0(
    files: AdapterFiles, base: BaseWeights, path: str, name: str
) -> tuple[Float[Tensor, "rows columns"], Float[Tensor, "rows columns"]]:
    """What was saved of a matrix, and W0, as both lie."""
    saved = files.factor(name, unfolded=True).read()
    if not saved.is_floating_point() or saved.itemsize < 2:
        raise AdapterError(
            f"what was saved of {path} holds {saved.dtype}, expected floats of 16 bits or more"
        )
    return saved, base.stored(path)


def _caveats(source: str, saved_in: str | None) -> tuple[str, ...]:
    if saved_in not in _HALF:
        return ()
    return (
        f"{source} is saved in {saved_in}, whose steps are larger where W0 is large: of a ΔW of about their size, or less, what is kept lies where "
        f"W0 is small, whatever was learnt, so that unrelated ones may be called alike",
    )


def _notes(
    files: AdapterFiles,
    updates: Mapping[str, LowRank],
    base: str,
    in_files: BaseWeights | None,
    saved_in: str | None,
) -> list[str]:
    if not updates:
        return []
    if saved_in:
        return [
            f"tuned in full: ΔW is what was saved, in {saved_in}, less W0 of {base} as that rounds it, dense, with no A and B"
        ]
    several = len(updates) > 1
    listed = ", ".join(
        f"{path} ({'x'.join(map(str, files.shape(one.tensors[0])))})"
        for path, one in updates.items()
    )
    own = files.live is not None and files.base_given is None and in_files is None
    unknown = (
        f"; W0 is what the model holds, and where {'one of them' if several else 'it'} is a head that was drawn when the "
        f"model was loaded, ΔW is not what was trained: the files of its base, which would tell, are not on this machine"
    )
    return [
        f"trained in full: {listed}. ΔW is what was saved less W0, a dense update: --module takes {'them' if several else 'it'} by name in "
        f"`lora-lens spectrum`, `compare`, `matrix`, `dynamics`, `grid`, `amplification` and `magnitude`, and other questions are of low-rank factors"
        f"{unknown if own else ''}"
    ]
