"""LoRA as loralib's ``lora_state_dict`` gives it: ``….lora_A`` and ``….lora_B``, and nothing that says α.

α is asked for in an ``adapter_config.json`` beside the file: ``{"lora_alpha": 32}``, and for a
``MergedLinear`` which of its blocks were trained: ``{"enable_lora": [true, false, true]}``, or by the
module's name, ``{"enable_lora": {"c_attn": [true, false, true]}}``. A convolution's factors have r·kernel rows and
columns, and its s is α/r all the same: r has to be said, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..bases.fused import Layout
from ..errors import AdapterError
from ..several import counted
from ..updates import Factor, LowRank
from .adapter_files import AdapterFiles
from .factors.factor_pairs import OF_A_TABLE, is_table, pairs_by_path
from .factors.merged_linear import by_role, in_fused
from .format import Checkpoint, Format, of_factors
from .litgpt import is_litgpts
from .peft.settings import Scaling

# OpenDelta puts loralib's layers beside the module, as its `lora`, and minLoRA into the module's weight.
_FACTOR = re.compile(
    r"(?P<path>(?:(?!\.loras\.).)+?)(?:\.lora|\.parametrizations\.weight\.0)?\.lora_(?P<factor>[AB])"
)
_ROLES = ("query", "key", "value")
_KERNELS = (3, 5, 7)
_PADDLES = "lora_config.json"
_START = "init_pissa.pth"  # RWKV-PEFT's, whose factors have loralib's names
_LONGEST = 100  # letters of what a header says
_RANK_IS_A_S = (
    "s = α/rank with as many as A has rows; loralib's convolutions have r·kernel of them and s = α/r: where one is a "
    "convolution, say r in adapter_config.json"
)


def _matches(files: AdapterFiles) -> bool:
    return files.config.get("peft_type") is None and files.holds(_FACTOR) and not is_litgpts(files)


def _read(files: AdapterFiles) -> Checkpoint:
    if files.find(_START) is not None:
        raise AdapterError(
            f"{files.source} has {_START} beside it, from which RWKV-PEFT trains PiSSA: ΔW is B·A less the first B·A, and not "
            f"s·B·A; merge it there, and extract a LoRA of what that changed, or put a plain LoRA into a folder of its own"
        )
    factors, _ = pairs_by_path(files, _FACTOR)
    updates: dict[str, LowRank] = {}
    left_out: dict[str, str] = {}
    kernels: list[int] = []
    for path, names in factors.items():
        if is_table(path):
            why = OF_A_TABLE
            left_out |= dict.fromkeys(names.values(), why)
            continue
        a, b = (files.factor(names[letter]) for letter in "AB")
        _check_not_turned(files, path, a, b)
        enabled = _enabled(files, path, a.shape[0], b.shape[1])
        if enabled is None:
            kernel = _kernel(files, path, a, b)
            kernels.append(kernel)
            s = _scaling(files, path, b.shape[1] // kernel)
            updates[path] = LowRank(a, b, s, (names["A"], names["B"]))
            continue
        block = b.shape[0] // sum(enabled)
        parent, dot, last = path.rpartition(".")
        roles = list(_roles(last, enabled))
        parts = Layout(1, tuple((role, block) for role in roles)).parts()
        trained = {role: parts[role] for role, on in zip(roles, enabled, strict=True) if on}
        for role, update in by_role(
            files, path, names, trained, lambda of, rank: _scaling(files, of, rank)
        ):
            name = f"{parent}{dot}{role}"
            taken = name in updates or name in factors
            updates[f"{path}.{role}" if taken else name] = in_fused(update, path, trained[role])
    return of_factors(
        files,
        updates,
        why=_rest,
        left_out=left_out,
        notes=tuple(_notes(files, updates, kernels)),
    )


def _kernel(files: AdapterFiles, path: str, a: Factor, b: Factor) -> int:
    """How many rows and columns of a convolution's kernel A and B have for each of r; 1 of a linear layer."""
    rank = b.shape[1]
    if "r" not in files.config:
        if "conv" in path.rpartition(".")[2].lower():
            raise AdapterError(
                f"{files.source}: {path} may be a convolution, whose A has r·kernel rows in loralib, {rank} here, and whose s "
                f'is α/r: put {{"r": …, "lora_alpha": …}} into adapter_config.json beside it, with the r that it was made with'
            )
        return 1
    said = Scaling(files.config).rank(path)
    kernel, over = divmod(rank, said)
    fits = not over and b.shape[0] % kernel == 0 and a.shape[1] % kernel == 0
    return kernel if fits else 1


def _notes(
    files: AdapterFiles, updates: Mapping[str, LowRank], kernels: Sequence[int]
) -> Iterator[str]:
    """Where r and the rank are two things, or could be."""
    if count := sum(kernel > 1 for kernel in kernels):
        yield (
            f"s = α/r, and A has r·kernel rows, as loralib's convolutions have: ΔW is the matrix out·kernel × in·kernel "
            f"that it multiplies: {counted(count, 'module')}"
        )
    sizes = ((one.b.shape[1], one.b.shape[0], one.a.shape[1]) for one in updates.values())
    if "r" not in files.config and any(
        all(size % kernel == 0 for size in of) for of in sizes for kernel in _KERNELS
    ):
        yield _RANK_IS_A_S


def _scaling(files: AdapterFiles, path: str, rank: int) -> float:
    if "lora_alpha" not in files.config:
        raise AdapterError(
            f"{files.source}: loralib's files do not say α, and so not the scale of ΔW: put "
            f'{{"lora_alpha": …}} into adapter_config.json beside it, with the α that the layers were made with{_header_said(files)}'
        )
    return Scaling({"r": rank, **files.config}).of(path, rank)


def _header_said(files: AdapterFiles) -> str:
    """What the file's own header says of α, as Stable Audio's does, as the rest of a sentence."""
    said = files.header.get("lora_config", "")
    return f"; the file's header says lora_config {said[:_LONGEST]}" if said else ""


def _check_not_turned(files: AdapterFiles, path: str, a: Factor, b: Factor) -> None:
    """Refuse factors the other way round, which may fit each other: as MLX has them."""
    rank = b.shape[1]
    if a.shape[0] < rank or rank > max(b.shape[0], a.shape[1]):
        raise AdapterError(
            f"{path} has A of {a.shape[0]}x{a.shape[1]} and B of {b.shape[0]}x{rank}, which are not loralib's; where they "
            f"are turned over, as MLX and PaddlePaddle have them, save them as A, (rank, in), and B, (out, rank){_of_paddle(files)}"
        )


def _of_paddle(files: AdapterFiles) -> str:
    """Where PaddlePaddle's configuration says s, as the rest of a sentence."""
    if files.find(_PADDLES) is None:
        return ""
    return (
        f", beside an adapter_config.json with the r of {_PADDLES} and, as lora_alpha, r times its scaling"
        f", where that says no pissa"
    )


def _enabled(files: AdapterFiles, path: str, a_rows: int, rank: int) -> Sequence[bool] | None:
    """Which blocks of a MergedLinear were trained; None of a Linear."""
    count, over = divmod(a_rows, rank)
    said: Any = files.config.get("enable_lora")
    if isinstance(said, dict):
        said = said.get(path.rpartition(".")[2])
    elif count == 1:  # a list is meant for those that are merged
        return None
    if count == 1 and said is None:
        return None
    fits = isinstance(said, list) and all(isinstance(one, bool) for one in said)
    if over or not fits or sum(said) != count:
        raise AdapterError(
            f"{path} has A of {a_rows} rows and B of {rank} columns, a MergedLinear of {count} trained blocks; "
            f'enable_lora is {said!r}, expected which they are, as {{"enable_lora": [true, false, true]}} in '
            f"adapter_config.json beside it"
        )
    found: list[bool] = said
    return found


def _roles(module: str, enabled: Sequence[bool]) -> Iterator[str]:
    if len(enabled) == len(_ROLES):
        yield from _ROLES
    else:
        yield from (f"{module}-{number}" for number in range(len(enabled)))


def _rest(name: str) -> str:
    if name.endswith("bias"):
        return "bias trained beside the factors, no part of B·A"
    return "no low-rank factor of a layer"


FORMAT = Format(
    name="loralib",
    title="loralib's LoRA",
    matches=_matches,
    read=_read,
    cannot="embeddings are left out; of a convolution ΔW is the matrix out·k × in·k that loralib multiplies",
    stems=("lora",),
)
