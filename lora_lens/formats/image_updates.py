"""Parts of an image adapter's modules → updates: LoRA of linear layers and convolutions, LoHa, LoKr.

A convolution's weight, (out, in, height, width), is the matrix out × in·height·width that PyTorch's own
``reshape(out, -1)`` makes of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import AdapterError
from ..updates import LowRank
from .adapter_files import AdapterFiles
from .image_parts import Modules, is_embedding
from .lycoris import hada, lokr, tucker
from .peft_names import check_not_empty

# Path, rank that α is divided by (None where the module has none), α of a tensor → s.
ScaleOf = Callable[[str, int | None, float | None], float]

_KINDS = {"lora": "LoRA", "loha": "LoHa", "lokr": "LoKr"}


class Read(NamedTuple):
    """One module: its update, and what kind it is of."""

    update: LowRank
    kind: str
    convolution: bool


@dataclass(frozen=True)
class ImageUpdates:
    """All modules of a file.

    Attributes:
        modules: Path to what was read.
        updates: Path to the update.
        left_out: Tensors of modules that are not analysed, with the reason.
        scaled: How many modules' s is made of a tensor of α.
        without: How many have no such tensor. The rest have one that is not used, being without a rank.
    """

    modules: Mapping[str, Read]
    updates: Mapping[str, LowRank]
    left_out: Mapping[str, str]
    scaled: int
    without: int

    @property
    def method(self) -> str:
        """Of all modules, or ``lycoris`` where they differ."""
        kinds = {one.kind for one in self.modules.values()}
        return kinds.pop() if len(kinds) == 1 else "lycoris" if kinds else "lora"

    @property
    def title(self) -> str:
        """As sentences name it."""
        return _KINDS.get(self.method, "LyCORIS")

    @property
    def notes(self) -> tuple[str, ...]:
        """What was read otherwise than two matrices of the file."""
        kinds = Counter(one.kind for one in self.modules.values())
        convolutions = sum(one.convolution for one in self.modules.values())
        found = []
        if convolutions:
            found.append(
                f"{convolutions} convolution{'s are' if convolutions > 1 else ' is'} read as the matrix out × "
                f"in·height·width that it is"
            )
        for kind, how in (("loha", "element-wise"), ("lokr", "Kronecker")):
            if kinds[kind]:
                found.append(
                    f"{kinds[kind]} module{'s' if kinds[kind] > 1 else ''} of {_KINDS[kind]}: the {how} product is "
                    f"read exactly, as two factors, whose rank is that of ΔW and not the one trained at"
                )
        return tuple(found)


def read_modules(files: AdapterFiles, modules: Modules, scale: ScaleOf) -> ImageUpdates:
    """Every module that has factors.

    Args:
        files: Of the adapter.
        modules: From `by_module`.
        scale: The rule for s.

    Raises:
        AdapterError: DoRA; a part lacks its partner, is empty, or is of a shape that does not fit.
    """
    found: dict[str, Read] = {}
    left_out: dict[str, str] = {}
    scaled: set[str] = set()
    for path, parts in modules.items():
        if "dora" in parts:
            raise AdapterError(
                f"{parts['dora']} is DoRA's: it rescales every row of W0 + s·B·A, and reading s·B·A would "
                f"misread it"
            )
        check_not_empty(files, parts.values())
        if is_embedding(path):
            why = "factor of an embedding, whose W0 is a table of tokens"
            left_out |= dict.fromkeys(parts.values(), why)
            continue
        alpha = _alpha(files, parts)

        def of(rank: int | None, path: str = path, alpha: float | None = alpha) -> float:
            if alpha is not None and rank is not None:
                scaled.add(path)
            return scale(path, rank, alpha)

        one = _one(files, path, parts, of)
        if one is not None:
            found[path] = one
    updates = {path: one.update for path, one in found.items()}
    without = sum("alpha" not in modules[path] for path in found)
    return ImageUpdates(found, updates, left_out, len(scaled), without)


def _one(
    files: AdapterFiles, path: str, parts: Mapping[str, str], scale: Callable[[int | None], float]
) -> Read | None:
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
        return None
    if len(kinds) > 1:
        raise AdapterError(f"{path} has parts of {' and '.join(_KINDS[kind] for kind in kinds)}")
    (kind,) = kinds
    read = {"lora": _lora, "loha": hada, "lokr": lokr}[kind]
    update = read(files, path, parts, scale)
    used = (parts[part] for part in parts if part not in ("alpha", "up"))
    return Read(update, kind, any(len(files.shape(name)) > 2 for name in used))


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
    name = parts["alpha"]
    shape = files.shape(name)
    if any(size != 1 for size in shape):
        raise AdapterError(f"{name} has shape {shape}, expected one number")
    return float(files.tensors.get(name))
