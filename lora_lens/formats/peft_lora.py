"""LoRA as PEFT saves it: ``….lora_A.weight`` and ``….lora_B.weight`` beside ``adapter_config.json``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..errors import AdapterError
from ..updates import LowRank
from .adapter_files import AdapterFiles
from .format import Checkpoint, Format, of_factors
from .image_places import are_dotted, are_flattened
from .peft_names import (
    check_not_empty,
    check_partners,
    factors_by_path,
    plain,
    reason_left_out,
)
from .peft_settings import Scaling, check_plain

_FACTOR = re.compile(r"(?P<path>.+)\.lora_(?P<factor>[AB])(?:\.(?P<adapter>[^.]+))?\.weight")


def _matches(files: AdapterFiles) -> bool:
    # A file alone, without its configuration, may still say its scale by tensors of α.
    if not files.config:
        named = not are_flattened(files) and not are_dotted(files)
    else:
        named = files.config.get("peft_type") == "LORA"
    return named and any(_FACTOR.fullmatch(plain(name)) for name in files.names)


def _read(files: AdapterFiles) -> Checkpoint:
    check_plain(files.config, files.source)
    factors, others = factors_by_path(files, _FACTOR)
    check_not_empty(files, (name for found in factors.values() for name in found.values()))
    left_out: dict[str, str] = {}
    for path, found in list(factors.items()):
        axes = {len(files.shape(name)) for name in found.values()}
        if axes != {2}:
            del factors[path]
            why = f"factor of a convolution ({max(axes)} axes), not of a linear layer"
            left_out |= dict.fromkeys(found.values(), why)
    if not factors:
        raise AdapterError(
            f"{files.source} holds no lora_A and lora_B of a linear layer{_some(left_out)}"
        )
    check_partners(files.source, factors, "AB")
    alphas = _alphas(files, others, factors)
    if not files.config and len(alphas) < len(factors):
        raise AdapterError(
            f"{files.source} has no adapter_config.json beside it, which says α and so the scale of "
            f"every ΔW; put it into the same folder"
        )
    scaling, updates = Scaling(files.config), {}
    for path, found in factors.items():
        a, b = files.factor(found["A"]), files.factor(found["B"])
        name, alpha = alphas.get(path, (None, None))
        s = scaling.of(path, a.shape[0], alpha)
        updates[path] = LowRank(a, b, s, (found["A"], found["B"], *([name] if name else [])))
    return of_factors(
        files,
        updates,
        method="lora",
        title="LoRA",
        why=reason_left_out,
        left_out=left_out,
        settings=files.config,
    )


def _alphas(
    files: AdapterFiles, names: Iterable[str], paths: Mapping[str, object]
) -> dict[str, tuple[str, float]]:
    """Module path → the tensor that says its α, and α."""
    found = {}
    for name in names:
        path, _, last = plain(name).rpartition(".")
        if last != "alpha" or path not in paths:
            continue
        found[path] = (name, files.number(name))
    return found


def _some(names: Iterable[str]) -> str:
    listed = list(names)[:2]
    return f"; it holds {', '.join(listed)}" if listed else ""


FORMAT = Format(
    name="peft_lora",
    title="PEFT's LoRA",
    matches=_matches,
    read=_read,
    cannot=(
        "DoRA, PiSSA and the like, QA-LoRA, BD-LoRA, KaSA, MonteCLoRA, MoRA, expert parameters and replicated "
        "layers are refused; embeddings, convolutions, biases and trained tokens are left out"
    ),
)
