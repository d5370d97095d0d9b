"""torchtune's conversion to PEFT's files, which moves rows of B that were in their places.

torchtune has query and key of a Llama, Mistral or Gemma in the order of Meta's checkpoints, and puts the rows of B into
Hugging Face's where it writes PEFT's files. Qwen's are in Hugging Face's order there too, and are moved all the same
(measured of 0.6.1), so that PEFT adds a row of B to a row of W0 that it was not trained for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ...errors import LensError
from ...files.json_files import read_json
from ..adapter_files import AdapterFiles

# All that its configuration says, beside the base's name; PEFT's own says more.
_SAID = frozenset({"r", "lora_alpha", "target_modules", "peft_type"})
_BASE = "base_model_name_or_path"
_OWN = "adapter_model.pt"
MOVED = ("q_proj", "k_proj")  # whose rows of B it moves
_FAMILY = "qwen"


def moved_said(files: AdapterFiles, paths: Iterable[str]) -> Iterator[str]:
    """What every question has to say of such a file.

    Args:
        files: Of the adapter.
        paths: Of its modules.
    """
    moved = any(path.rpartition(".")[2] in MOVED for path in paths)
    if moved and files.config.keys() - {_BASE} == _SAID and _is_qwens(files):
        yield (
            "the configuration says what torchtune's do and no more: if torchtune made this file, its conversion put rows of B of "
            "query and key into another order, as it should of a Llama and should not of Qwen, and B, and ΔW beside W0, of q_proj and "
            f"k_proj are what PEFT takes of it, not what was trained, which torchtune's own {_OWN} has"
        )


def _is_qwens(files: AdapterFiles) -> bool:
    """By the base's configuration, which torchtune copies beside the adapter's, or else by its name."""
    beside = files.find("config.json")
    if beside is not None:
        try:
            return _FAMILY in str(read_json(beside, LensError).get("model_type"))
        except LensError:
            return False
    names = (files.base_model, files.text(_BASE))
    return any(_FAMILY in Path(name).name.lower() for name in names if name)
