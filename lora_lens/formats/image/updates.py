"""Parts of an image adapter's modules → updates: LoRA of linear layers and convolutions, LoHa, LoKr.

A convolution's weight, (out, in, height, width), is the matrix out × in·height·width that PyTorch's own
``reshape(out, -1)`` makes of it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from ...errors import AdapterError
from ...several import counted
from ...updates import LowRank
from ..adapter_files import AdapterFiles
from ..factors.factor_pairs import OF_A_TABLE, check_not_empty
from ..format import ZERO_FOR, Checkpoint, of_factors
from .dora import rescaled
from .lycoris import hada, lokr, tucker
from .parts import Modules, is_embedding, reason_left_out

# Path, rank that α is divided by (None where the module has none), α of a tensor → s.
Scaled = Literal["alpha", "whole", "none"]
ScaleOf = Callable[[str, int | None, float | None], float]

_FACTORS_OF_S = frozenset({"lora_scale", "lora_scaling", "scale", "scaling", "scalar"})
_OF_SCALE = _FACTORS_OF_S | {"lora_alpha", "network_alpha"}
_KINDS = {"lora": "LoRA", "dora": "DoRA", "loha": "LoHa", "lokr": "LoKr"}


class Read(NamedTuple):
    """One module: its update, what kind it is of, and what s could be made of: α, or one without a rank."""

    update: LowRank
    kind: str
    convolution: bool
    scaled: Scaled


@dataclass(frozen=True)
class ImageUpdates:
    """All modules of a file.

    Attributes:
        modules: Path to what was read.
        left_out: Tensors of modules that are not analysed, with the reason.
    """

    modules: Mapping[str, Read]
    left_out: Mapping[str, str]

    @property
    def updates(self) -> Mapping[str, LowRank]:
        """Path to the update."""
        return {path: one.update for path, one in self.modules.items()}

    @property
    def method(self) -> str:
        """Of all modules, or ``lycoris`` where they differ."""
        kinds = {one.kind for one in self.modules.values()}
        one = kinds.pop() if len(kinds) == 1 else "lycoris" if kinds else "lora"
        return "dora" if self._rescaled and one == "lora" else one

    @property
    def title(self) -> str:
        """As sentences name it."""
        kind = _KINDS.get(self.method, "LyCORIS")
        return f"{kind} with DoRA" if self._rescaled and kind != "DoRA" else kind

    @property
    def _rescaled(self) -> list[LowRank]:
        return [one for one in self.updates.values() if one.magnitude is not None]

    def checkpoint(
        self, files: AdapterFiles, *notes: str, caveats: tuple[str, ...] = ()
    ) -> Checkpoint:
        """All of the file, with what is said of how it was read."""
        return of_factors(
            files,
            self.updates,
            method=self.method,
            title=self.title,
            why=reason_left_out,
            left_out=self.left_out,
            notes=notes,
            caveats=caveats,
            zero=f"α is 0 in the file's header {ZERO_FOR}",
        )

    def restricted(self, paths: Set[str]) -> ImageUpdates:
        """Of these modules alone."""
        return replace(self, modules={p: one for p, one in self.modules.items() if p in paths})

    def scales(self, divisor: str = "rank") -> Iterator[str]:
        """Which scale was applied, and why; `divisor` is what α was divided by."""
        count = Counter(one.scaled for one in self.modules.values())
        if count["alpha"]:
            said = counted(count["alpha"], "module")
            yield f"s = α/{divisor}, α of each module's own tensor .alpha: {said}"
        if count["whole"]:
            said = counted(count["whole"], "module")
            yield f"s = 1 where both matrices of a LoKr are whole, as loaders take it: {said}"
        if count["none"]:
            said = counted(count["none"], "module")
            yield f"s = 1 where there is no .alpha, as loaders take it: {said}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What was read otherwise than two matrices of the file."""
        kinds = Counter(one.kind for one in self.modules.values())
        convolutions = sum(one.convolution for one in self.modules.values())
        found = []
        if convolutions:
            found.append(
                f"convolutions are read as matrices of out × in·height·width: {counted(convolutions, 'module')}"
            )
        for kind, how in (("loha", "element-wise"), ("lokr", "Kronecker")):
            if kinds[kind]:
                found.append(
                    f"{_KINDS[kind]}'s {how} product is read exactly, as two factors, whose rank is not the one "
                    f"it was trained at: {counted(kinds[kind], 'module')}"
                )
        return tuple(found)


def by_alpha(path: str, rank: float | None, alpha: float | None) -> float:
    """s = α/rank by the tensor of α; 1 where there is none, or no rank.

    Raises:
        AdapterError: α is 0 or no number.
    """
    if alpha is None or rank is None:
        return 1.0
    if alpha == 0 or not math.isfinite(alpha):
        raise AdapterError(
            f"the α of {path} is {alpha:g}, expected a finite number above or below 0: some loaders take 0 for "
            f"the rank, and others for no update"
        )
    return alpha / rank


def read_modules(files: AdapterFiles, modules: Modules, scale: ScaleOf) -> ImageUpdates:
    """Every module that has factors.

    Args:
        files: Of the adapter.
        modules: From `by_module`.
        scale: The rule for s.

    Raises:
        AdapterError: A part lacks its partner, is empty, or is of a shape that does not fit.
    """
    _check_not_whole(files.source, modules)
    found: dict[str, Read] = {}
    left_out: dict[str, str] = {}
    for path, parts in modules.items():
        check_not_empty(files, parts.values())
        _check_axes(files, parts)
        if is_embedding(path):
            why = OF_A_TABLE
            left_out |= dict.fromkeys(parts.values(), why)
            continue
        one = _one(files, path, parts, scale)
        if one is not None:
            found[path] = one
    _check_not_turned(files.source, found)
    known = {name for parts in modules.values() for name in parts.values()}
    return ImageUpdates(found, left_out | _scales_of_one(files, known))


def _check_not_whole(source: str, modules: Modules) -> None:
    """Refuse ai-toolkit's ``fullrank``, which has the whole ΔW of every module under the name of one factor."""
    down = [parts["down"] for parts in modules.values() if "down" in parts]
    if any("up" in parts for parts in modules.values()):
        return
    if down and all(".lora_A" in name for name in down):
        raise AdapterError(
            f"{source}: {down[0]} has no partner, and no module has one: ai-toolkit's network type fullrank, whose one tensor "
            f"is the whole ΔW? Expected A and B; train with the network type lora"
        )


def _check_not_turned(source: str, found: Mapping[str, Read]) -> None:
    """Refuse files of factors the other way round, which fit each other: every rank is above both sides of its W0."""
    plain = [(path, one.update) for path, one in found.items() if one.kind == "lora"]
    if plain and all(one.a.shape[0] > max(one.b.shape[0], one.a.shape[1]) for _, one in plain):
        path, one = plain[0]
        raise AdapterError(
            f"{source}: {path} has A of {one.a.shape[0]}x{one.a.shape[1]} and B of {one.b.shape[0]}x{one.b.shape[1]}, and so "
            f"have all a rank above both sides of their layer: turned over, as MLX has them? Save them as A, (rank, in), and "
            f"B, (out, rank)"
        )


def _scales_of_one(files: AdapterFiles, known: Set[str]) -> dict[str, str]:
    """Numbers that scale ΔW by 1, with the reason why they are left out; others by such names are refused.

    Raises:
        AdapterError: By its name a number is of s, and some loaders read it and others do not.
    """
    found = {}
    for name in sorted(files.names - known):
        last = name.rpartition(".")[2]
        if last not in _OF_SCALE or math.prod(files.shape(name)) != 1:
            continue
        if last not in _FACTORS_OF_S or files.number(name) != 1:
            raise AdapterError(
                f"{files.source} holds {name}, a single number that by its name scales ΔW, and that some loaders read and others "
                f"pass over: where it is α, call it PATH.alpha, of each module; else multiply B by it, and take it out"
            )
        found[name] = "a factor of ΔW that is 1"
    return found


def _check_axes(files: AdapterFiles, parts: Mapping[str, str]) -> None:
    for part, name in parts.items():
        if part not in ("alpha", "dora") and len(files.shape(name)) < 2:
            raise AdapterError(f"{name} has shape {files.shape(name)}, expected a matrix")


def _one(files: AdapterFiles, path: str, parts: Mapping[str, str], scale: ScaleOf) -> Read | None:
    kinds = [
        kind
        for kind, begins in (
            ("lora", ("down", "up", "mid")),
            ("loha", ("hada",)),
            ("lokr", ("lokr",)),
        )
        if any(part.startswith(begins) for part in parts)
    ]
    if not kinds:
        if "dora" in parts:
            raise AdapterError(
                f"{files.source}: {parts['dora']} is DoRA's, and {path} has no factors beside it"
            )
        return None
    if len(kinds) > 1:
        raise AdapterError(f"{path} has parts of {' and '.join(_KINDS[kind] for kind in kinds)}")
    (kind,) = kinds
    alpha, ranks = _alpha(files, parts), []

    def of(rank: int | None) -> float:
        ranks.append(rank)
        return scale(path, rank, alpha)

    update = {"lora": _lora, "loha": hada, "lokr": lokr}[kind](files, path, parts, of)
    if "dora" in parts:
        update = rescaled(files, parts["dora"], update)
    used = (parts[part] for part in parts if part not in ("alpha", "up", "dora"))
    convolution = any(len(files.shape(name)) > 2 for name in used)
    scaled: Scaled = "whole" if ranks == [None] else "none" if alpha is None else "alpha"
    return Read(update, kind, convolution, scaled)


def _lora(
    files: AdapterFiles, path: str, parts: Mapping[str, str], scale: Callable[[int | None], float]
) -> LowRank:
    for part, other in (("down", "up"), ("up", "down")):
        if part not in parts:
            first = parts.get(other) or parts["mid"]
            raise AdapterError(
                f"{files.source}: {first} has no partner, the factor {part} of {path}"
            )
    tensors = tuple(parts[part] for part in ("up", "mid", "down", "alpha") if part in parts)
    up = files.shape(parts["up"])
    if any(size != 1 for size in up[2:]):
        raise AdapterError(
            f"{parts['up']} has shape {up}, expected one of a linear layer, or of a convolution of one pixel"
        )
    s = scale(files.shape(parts["down"])[0])
    if "mid" in parts:
        return tucker(files, parts, s, tensors)
    down, above = (files.factor(parts[part], unfolded=True) for part in ("down", "up"))
    return LowRank(down, above, s, tensors)


def _alpha(files: AdapterFiles, parts: Mapping[str, str]) -> float | None:
    """Of the tensor that says it."""
    if "alpha" not in parts:
        return None
    return files.number(parts["alpha"])
