"""LoRA and DoRA by torchtune's own names: ``layers.0.attn.q_proj.lora_a.weight`` in ``adapter_model.pt``.

torchtune also writes PEFT's files of Hugging Face's names beside it, which are read in its place where they are
there. Rows of query and key are in the order of Meta's checkpoints here, pairs of a rotation side by side,
and so is W0 of torchtune's own files and of Meta's, not of Hugging Face's; but for Qwen and Phi, of which both have
Hugging Face's order.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import AdapterError
from ..updates import LowRank
from .adapter_files import AdapterFiles
from .factors.dora import with_magnitude
from .factors.factor_pairs import pairs_by_path
from .format import Checkpoint, Format, of_factors
from .peft.settings import Scaling

_FACTOR = re.compile(r"(?P<path>.+)\.lora_(?P<factor>[ab])\.weight")
_OF_EXPERTS = re.compile(r"\.lora_(gate|up|down)_[ab]$")
_MAGNITUDE = ".magnitude"
_ORDER = (
    "rows of query and key are in the order of torchtune's files, which is Meta's, not Hugging Face's (but of Qwen and Phi), and "
    "names differ from Hugging Face's: pass --base with a file of torchtune's"
)
_FIRST, _SECOND = "adapter_0", "adapter_1.pt"  # of torchtune before 0.5, an epoch each


def _read(files: AdapterFiles) -> Checkpoint:
    _check_one_epoch(files)
    factors, others = pairs_by_path(files, _FACTOR, "ab")
    magnitudes = {
        name.removesuffix(_MAGNITUDE): name for name in others if name.endswith(_MAGNITUDE)
    }
    bare = next((name for path, name in magnitudes.items() if path not in factors), None)
    if bare is not None:
        raise AdapterError(
            f"{bare} of {files.source} is DoRA's, and has no factors beside it; expected lora_a and lora_b"
        )
    if "lora_alpha" not in files.config:
        raise AdapterError(
            f"{files.source}: nothing beside it says α, and so not the scale of ΔW; put torchtune's "
            f'adapter_config.json into the same folder, or one with {{"r": …, "lora_alpha": …}} of its recipe'
        )
    updates: dict[str, LowRank] = {}
    for path, names in factors.items():
        a, b = (files.factor(names[letter]) for letter in "ab")
        s = Scaling({"r": a.shape[0], **files.config}).of(path, a.shape[0])
        updates[path] = LowRank(a, b, s, (names["a"], names["b"]))
        if m := magnitudes.get(path):
            updates[path] = with_magnitude(files, updates[path], m)
    return of_factors(files, updates, why=_rest, notes=(_ORDER,))


def _rest(name: str) -> str:
    if _OF_EXPERTS.search(name):
        return "factor of stacked experts, not of a linear layer"
    return "trained in full, or W0 itself, no low-rank factor"


def _check_one_epoch(files: AdapterFiles) -> None:
    """Refuse a folder of several epochs, of which the first would be read; not one that was named itself."""
    opened = {name.rpartition("/")[2].partition(".")[0] for name in files.tensors.files.values()}
    named = Path(files.source).name.startswith(f"{_FIRST}.")
    if opened == {_FIRST} and not named and files.find(_SECOND) is not None:
        raise AdapterError(
            f"{files.source} holds {_FIRST}.pt, {_SECOND} …, of an epoch each: name the file of one of them"
        )


FORMAT = Format(
    name="torchtune",
    title="torchtune's LoRA or DoRA",
    matches=lambda files: files.holds(_FACTOR),
    read=_read,
    cannot="stacked experts and what was trained in full are left out",
    stems=("adapter_model", _FIRST),
)
