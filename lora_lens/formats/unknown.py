"""What is said of an adapter that no format knows."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import AdapterError
from .adapter_files import AdapterFiles

# What PEFT 0.21's convert_to_lora and save_as_lora turn into LoRA.
_CONVERTED = frozenset({
    "LOHA", "LOKR", "VERA", "VBLORA", "RANDLORA", "C3A", "DELORA", "FOURIERFT", "GRALORA", "MISS", "PSOFT",
    "TINYLORA", "UNILORA", "WAVEFT",
})  # fmt: skip
_NEMO = r"adapter.*\.linear_(in|out)\.weight|lora_kqv_adapter"
_OF_OTHERS = {
    r"lora_(down|up)\.weight": "kohya's or LyCORIS's",
    r"hada_w|lokr_w": "LyCORIS's LoHa or LoKr",
    r"(unet|transformer|text_encoder)\w*\..*lora": "diffusers'",
}


def unknown(files: AdapterFiles, titles: Sequence[str]) -> AdapterError:
    """One line: whose files they may be, what there is, and what is read."""
    peft_type = files.config.get("peft_type")
    what = f"has peft_type {peft_type!r}" if files.config else "holds no adapter_config.json"
    some = ", ".join(sorted(files.names)[:2]) or "no tensors"
    read = f"lora-lens reads {', '.join(titles)}"
    if isinstance(peft_type, str) and peft_type.upper() in _CONVERTED:
        return AdapterError(
            f"{files.source} {what}; {read}. PEFT 0.21 or later turns it into LoRA: "
            f"peft.save_as_lora(folder, model, rank=…)"
        )
    if peft_type in ("LORA", "CONDLORA", "ConditionalLORA"):
        return AdapterError(
            f"{files.source} {what}, and no lora_A and lora_B of a linear layer, nor θ of CondLoRA; it "
            f"holds {some}"
        )
    names = "\n".join(files.names)
    if re.search(_NEMO, names):
        return AdapterError(
            f"{files.source} holds {some}: NeMo's, whose names and rows are Megatron's; {read}. NeMo turns it into "
            f"PEFT's: llm.peft.export_lora"
        )
    whose = [owner for pattern, owner in _OF_OTHERS.items() if re.search(pattern, names)]
    if whose and peft_type is None:
        return AdapterError(
            f"{files.source} {what}, and {some}: {whose[0]} format, which is not read yet; {read}"
        )
    return AdapterError(f"{files.source} {what}, and {some}: its numbers would be misread; {read}")
