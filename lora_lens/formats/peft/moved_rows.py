"""torchtune's conversion to PEFT's files, which moves rows of B that were in their places.

torchtune has query and key of a Llama, Mistral or Gemma in the order of Meta's checkpoints, and puts the rows of B into
Hugging Face's where it writes PEFT's files. Qwen's are in Hugging Face's order there too, and are moved all the same
(0.3 to 0.6.1), so that PEFT adds a row of B to a row of W0 that it was not trained for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...errors import LensError
from ...files.locate import read_json
from ..adapter_files import AdapterFiles

# All that its configuration says; PEFT's own says more.
_SAID = frozenset({"r", "lora_alpha", "target_modules", "peft_type", "base_model_name_or_path"})
_OWN = "adapter_model.pt"
_MOVED = ("q_proj", "k_proj")
_FAMILY = "qwen"


def moved_said(files: AdapterFiles, paths: Iterable[str]) -> Iterator[str]:
    """What every question has to say of such a file.

    Args:
        files: Of the adapter.
        paths: Of its modules.
    """
    moved = any(path.rpartition(".")[2] in _MOVED for path in paths)
    if not moved or "target_modules" not in files.config or files.config.keys() - _SAID:
        return
    if _is_qwens(files):
        yield (
            "by its configuration torchtune made this file, whose conversion puts rows of B of query and key into another order "
            "for Qwen too, where they were in W0's: B, and ΔW beside W0, of q_proj and k_proj are what PEFT takes of it, not what "
            f"was trained, which torchtune's own {_OWN} has"
        )


def _is_qwens(files: AdapterFiles) -> bool:
    """By the base's name, or its configuration, which torchtune copies beside the adapter's."""
    names = (files.base_model, files.text("base_model_name_or_path"))
    if any(_FAMILY in name.lower() for name in names if name):
        return True
    beside = files.find("config.json")
    try:
        return beside is not None and _FAMILY in str(read_json(beside, LensError).get("model_type"))
    except LensError:
        return False
