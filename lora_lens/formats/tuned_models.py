"""A model that was tuned in full, beside the one that it was tuned from: each of its matrices is a dense update."""

from __future__ import annotations

from ..bases.weights import BaseWeights
from ..errors import AdapterError
from ..files.locate import read_json
from .adapter_files import AdapterFiles
from .format import Checkpoint
from .trained_in_full import TUNED

_NO_MATRIX = "a bias, a norm or a buffer, which has no spectrum"
_STACK = "of several axes and no layer's own weight, as a stack of experts: no ΔW of it is made"


def tuned_model(files: AdapterFiles) -> Checkpoint:
    """What the files of a whole model hold: no low-rank update, and matrices that `trained_in_full` takes less W0.

    Raises:
        AdapterError: It is its base itself, or quantised.
        BaseModelError: The base is not found, or of another architecture.
    """
    base = files.open_base()
    if _is_one_file(files, base):
        raise AdapterError(
            f"{files.source} is the base itself, whose ΔW is zero: pass --base with the model that it was tuned from"
        )
    said = files.find("config.json")
    if said and "quantization_config" in read_json(said, AdapterError):
        raise AdapterError(
            f"{files.source} is quantised, and what is not in its numbers is not in ΔW: name the model as it was trained"
        )
    return Checkpoint(
        method="full",
        title="Full fine-tuning",
        updates={},
        left_out={name: _reason(files, name) for name in sorted(files.names)},
        trainable_parameters=0,
    )


def _is_one_file(files: AdapterFiles, base: BaseWeights) -> bool:
    name = next(iter(files.tensors.files.values()))
    one, other = files.find(name), base.tensors.find(name)
    return one is not None and other is not None and one.samefile(other)


def _reason(files: AdapterFiles, name: str) -> str:
    if len(files.shape(name)) < 2:
        return _NO_MATRIX
    return TUNED if name.endswith(".weight") else _STACK
