"""CondLoRA as GPart's fork of PEFT saves it (arXiv 2605.14841): θ once, and again in every layer."""

from __future__ import annotations

import re

from ..errors import AdapterError
from ..files.peft_names import plain
from ..updates import Factor, FromW0
from .adapter_files import AdapterFiles
from .condlora import PEFT_TYPE
from .factors.factor_pairs import pairs_by_path
from .factors.shared_theta import OWN_KEYS, check_no_use_x, numbers_in
from .format import Checkpoint, Format, Thetas
from .peft.names import reason_left_out
from .peft.settings import Scaling, check_plain

_IN_LAYER = re.compile(r"(?P<path>.+)\.cond_lora_(?P<factor>[AB])(?:\.(?P<adapter>[^.]+))?\.weight")
_SHARED = re.compile(r"base_model\.cond_lora_shared\.(?:.+\.)?(?P<module>[^.]+)\.[AB]\.weight")


def _matches(files: AdapterFiles) -> bool:
    named = files.config.get("peft_type") == PEFT_TYPE
    return named and any(_IN_LAYER.fullmatch(plain(name)) for name in files.names)


def _thetas(files: AdapterFiles) -> Thetas:
    modules, paths, others = _found(files)
    layers = {module: list(paths[module]) for module in modules}
    kept = tuple(name for name in others if not _SHARED.fullmatch(name))
    return Thetas(modules, layers, "stored", kept)


def _read(files: AdapterFiles) -> Checkpoint:
    check_plain(files.config, files.source)
    modules, paths, others = _found(files)
    scaling = Scaling(files.config)
    copies: dict[str, list[str]] = {}
    left_out = {}
    for name in others:
        match = _SHARED.fullmatch(name)
        if match and match["module"] in modules:
            copies.setdefault(match["module"], []).append(name)
        else:
            left_out[name] = reason_left_out(name, files.config)
    updates = {}
    for module, (a, b) in modules.items():
        for path, names in paths[module].items():
            used = (*names, *copies.get(module, ()))
            updates[path] = FromW0(a, b, scaling.of(path, a.shape[1]), "stored", used)
    return Checkpoint(
        method="condlora",
        title="CondLoRA",
        updates=updates,
        left_out=left_out,
        trainable_parameters=numbers_in(modules.values()),
        convention="stored",
        settings={key: value for key, value in files.config.items() if key not in OWN_KEYS},
    )


def _found(
    files: AdapterFiles,
) -> tuple[dict[str, tuple[Factor, Factor]], dict[str, dict[str, list[str]]], list[str]]:
    """θ by target module, its layers' paths with their tensors, and the names that are no factor."""
    check_no_use_x(files)
    if files.config.get("fan_in_fan_out"):
        raise AdapterError(
            f"{files.source} makes A and B of Conv1D's W0 as it is stored, (in, out), which no convention "
            f"of lora-lens is; train it on linear layers, or with lora-lens"
        )
    factors, others = pairs_by_path(files, _IN_LAYER)
    modules: dict[str, tuple[Factor, Factor]] = {}
    paths: dict[str, dict[str, list[str]]] = {}
    for path, found in factors.items():
        module = path.rpartition(".")[2]
        pair = (
            files.factor(found["A"], transposed=True),
            files.factor(found["B"], transposed=True),
        )
        _check_shared(files, module, modules.setdefault(module, pair), pair)
        paths.setdefault(module, {})[path] = [found["A"], found["B"]]
    return modules, paths, others


def _check_shared(
    files: AdapterFiles, module: str, first: tuple[Factor, Factor], here: tuple[Factor, Factor]
) -> None:
    import torch

    for one, other in zip(first, here, strict=True):
        if one is not other and not torch.equal(one.read(), other.read()):
            raise AdapterError(
                f"{files.source}: {one.name} and {other.name} differ, though the layers of {module} "
                f"share them; is it a file of several adapters?"
            )


FORMAT = Format(
    name="condlora_gpart",
    title="GPart's CondLoRA",
    matches=_matches,
    read=_read,
    cannot="factors that depend on the input (use_x) and Conv1D are refused",
    thetas=_thetas,
)
