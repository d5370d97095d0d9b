"""CondLoRA in AdaLoRA's form as lora-lens saves it: θ once per target module, and a Λ for every layer.

``query.theta_A`` is θ_Q and ``query.theta_B`` θ_P; ``….attention.self.query.lambda``, (rank, 1), is a layer's Λ,
zero where the budget took an entry away. ΔW = s·(W0·θ_P)·Λ·(θ_Qᵀ·W0).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..errors import AdapterError
from ..updates import FromW0
from .adapter_files import AdapterFiles
from .condlora import thetas_of
from .factors.derived import columns_picked, columns_weighted
from .factors.shared_theta import numbers_in
from .format import Checkpoint, Format, Thetas
from .left_out import LeftOut
from .peft.names import reason_left_out
from .peft.settings import Scaling, check_plain

PEFT_TYPE = "CONDADALORA"
VERSION_KEY, VERSION = "condadalora_version", 1
GATE = ".lambda"  # how the name of a Λ ends
_EMPTIED = LeftOut("the budget has left this layer nothing: its ΔW is zero")
_OF_NO_LAYER = LeftOut("a Λ or θ of no layer with an update")
# What plain LoRA's configuration does not have: ours, and AdaLoRA's.
_OWN_KEYS = (
    "condlora_modules", "convention", VERSION_KEY, "target_r", "tinit", "tfinal", "deltaT", "beta1",
    "beta2", "orth_reg_weight", "total_step",
)  # fmt: skip


def _matches(files: AdapterFiles) -> bool:
    named = files.config.get("peft_type") == PEFT_TYPE
    return named and any(name.endswith(GATE) for name in files.names)


def _thetas(files: AdapterFiles) -> Thetas:
    return thetas_of(files, VERSION_KEY, VERSION)


def _read(files: AdapterFiles) -> Checkpoint:
    check_plain(files.config, files.source)
    thetas, scaling = _thetas(files), Scaling(files.config)
    updates: dict[str, FromW0] = {}
    emptied: list[str] = []
    for module, paths in (thetas.layers or {}).items():
        a, b = thetas.modules[module]
        if a.shape[1] != b.shape[1]:
            raise AdapterError(
                f"{files.source}: θ_A of {module} has rank {a.shape[1]} and θ_B {b.shape[1]}, expected the same"
            )
        for path in paths:
            gate = _gate(files, path, a.shape[1])
            kept = [k for k, weight in enumerate(gate) if weight]
            if not kept:
                emptied.append(path + GATE)
                continue
            s = scaling.of(path, a.shape[1])
            tensors = (a.name, b.name, path + GATE)
            gated = columns_weighted(columns_picked(a, kept), [gate[k] for k in kept])
            updates[path] = FromW0(gated, columns_picked(b, kept), s, thetas.convention, tensors)
    if not updates:
        raise AdapterError(f"every Λ of {files.source} is zero, and so is its update")
    used = {name for update in updates.values() for name in update.tensors}
    left_out = {
        name: reason_left_out(name, files.config)
        for name in thetas.others
        if not name.endswith(GATE)
    }
    left_out |= dict.fromkeys(emptied, _EMPTIED)
    left_out |= dict.fromkeys(set(files.names) - used - left_out.keys(), _OF_NO_LAYER)
    return Checkpoint(
        method="condadalora",
        title="CondAdaLoRA",
        updates=updates,
        left_out=left_out,
        trainable_parameters=numbers_in(thetas.modules.values())
        + sum(update.theta_a.shape[1] for update in updates.values()),
        convention=thetas.convention,
        settings=_settings(files, updates),
    )


def _gate(files: AdapterFiles, path: str, rank: int) -> list[float]:
    """Λ of a layer, as many numbers as its rank."""
    name = path + GATE
    if name not in files.names:
        raise AdapterError(f"{files.source} has no Λ of {path}")
    if files.shape(name) != (rank, 1):
        raise AdapterError(f"{name} has shape {files.shape(name)}, expected {(rank, 1)} as θ")
    found = files.tensors.get(name)[:, 0]
    if not found.is_floating_point():
        raise AdapterError(f"{name} holds {found.dtype}, expected floats")
    gate: list[float] = found.double().tolist()
    if not all(map(math.isfinite, gate)):
        raise AdapterError(f"{name} holds NaN or infinite values")
    return gate


def _settings(files: AdapterFiles, updates: Mapping[str, FromW0]) -> dict[str, Any]:
    """As plain LoRA: a rank of its own for every layer, and the α that leaves s as it is."""
    settings = {key: value for key, value in files.config.items() if key not in _OWN_KEYS}
    ranks = {path: update.theta_a.shape[1] for path, update in updates.items()}
    rooted = bool(files.config.get("use_rslora"))
    alphas = {
        path: updates[path].scaling * (math.sqrt(rank) if rooted else rank)
        for path, rank in ranks.items()
    }
    return settings | {"rank_pattern": ranks, "alpha_pattern": alphas}


FORMAT = Format(
    name="condadalora",
    title="lora-lens's CondLoRA in AdaLoRA's form",
    matches=_matches,
    read=_read,
    cannot="layers that the budget has left nothing have no update",
    thetas=_thetas,
)
