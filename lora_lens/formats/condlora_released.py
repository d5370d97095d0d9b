"""CondLoRA as its authors' released code saves it: θ transposed, no layer numbers, W0 as stored."""

from __future__ import annotations

import re

from ..bases.weights import BaseWeights
from ..errors import AdapterError
from ..files.names import split_layer
from ..files.peft_names import PEFT_PREFIX
from ..updates import FromW0
from .adapter_files import AdapterFiles
from .factors.shared_theta import OWN_KEYS, check_no_use_x, numbers_in, thetas_named
from .format import Checkpoint, Format, Thetas
from .left_out import LeftOut
from .peft.names import reason_left_out
from .peft.settings import Scaling, check_plain

_PEFT_TYPE = "ConditionalLORA"
_LINEAR = re.compile(r"(?P<module>.+)\.linear_for_lora_(?P<factor>[AB])")
_X = "linear_for_lora_x"
# The files do not name their layers' paths; transformers' base_model_prefix does.
_PREFIXES = {
    "bert": "bert.",
    "roberta": "roberta.",
    "xlm-roberta": "roberta.",
    "distilbert": "distilbert.",
    "electra": "electra.",
    "gpt2": "transformer.",
    "llama": "model.",
    "mistral": "model.",
    "qwen2": "model.",
}


def _matches(files: AdapterFiles) -> bool:
    return files.config.get("peft_type") == _PEFT_TYPE and files.holds(_LINEAR)


def _thetas(files: AdapterFiles) -> Thetas:
    check_no_use_x(files)
    found, others = thetas_named(files, _LINEAR, transposed=True)
    heads = tuple(name for name in others if name.startswith(PEFT_PREFIX))
    return Thetas(found, None, "stored", heads)


def _read(files: AdapterFiles) -> Checkpoint:
    check_plain(files.config, files.source)
    check_no_use_x(files)
    found, others = thetas_named(files, _LINEAR, transposed=True)
    base, scaling = files.open_base(), Scaling(files.config)
    updates = {
        path: FromW0(a, b, scaling.of(path, a.shape[1]), "stored", (a.name, b.name))
        for module, (a, b) in found.items()
        for path in _paths_in_base(module, files, base)
    }
    return Checkpoint(
        method="condlora",
        title="CondLoRA",
        updates=updates,
        left_out={name: _why(files, name) for name in others},
        trainable_parameters=numbers_in(found.values()),
        convention="stored",
        settings={key: value for key, value in files.config.items() if key not in OWN_KEYS},
    )


def _why(files: AdapterFiles, name: str) -> LeftOut:
    if name.endswith(_X):
        return LeftOut("the released code's input-dependent experiment, switched off (use_x)")
    return reason_left_out(name, files.config)


def _paths_in_base(module: str, files: AdapterFiles, base: BaseWeights) -> list[str]:
    """Every layer of the base with such a module."""
    layers = _wanted_layers(files)
    paths = []
    for name in base.tensors.files:
        path = name.removesuffix(".weight")
        split = split_layer(path) if name.endswith(f".{module}.weight") else None
        if split and (not layers or split[1] in layers):
            paths.append(_as_in_task_model(path, files, base))
    if not paths:
        raise AdapterError(f"no layer of {base.source} has a module {module!r}")
    return sorted(paths, key=lambda path: (split_layer(path) or ("", 0))[1])


def _wanted_layers(files: AdapterFiles) -> set[int]:
    """What ``layers_to_transform`` names; none for all."""
    wanted = files.config.get("layers_to_transform")
    listed = [wanted] if isinstance(wanted, int) else wanted or []
    if not isinstance(listed, list) or not all(isinstance(one, int) for one in listed):
        raise AdapterError(
            f"{files.source}: layers_to_transform is {wanted!r}, expected a layer's number or a list of them"
        )
    return set(listed)


def _as_in_task_model(path: str, files: AdapterFiles, base: BaseWeights) -> str:
    """The path with the prefix that a model with a head gives it, where the base's file has none."""
    prefix = _PREFIXES.get(str(base.model_type))
    headless = files.config.get("task_type") in (None, "FEATURE_EXTRACTION")
    return path if headless or not prefix or path.startswith(prefix) else prefix + path


FORMAT = Format(
    name="condlora_released",
    title="the released code's CondLoRA",
    matches=_matches,
    read=_read,
    cannot="factors that depend on the input (use_x) are refused",
    thetas=_thetas,
)
