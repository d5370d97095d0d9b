"""`lora-lens export`: CondLoRA to plain LoRA."""

from __future__ import annotations

from ..terminal.options import AdapterFolder, Base, Json, OutFolder, Private, PushToHub
from ..terminal.printing import print_json, say

NAME = "export"


def run(
    adapter: AdapterFolder,
    out: OutFolder,
    base: Base = None,
    push_to_hub: PushToHub = None,
    private: Private = False,
    as_json: Json = False,
) -> None:
    """Turn a CondLoRA adapter into an ordinary LoRA checkpoint, exactly, for PEFT, vLLM and friends.

    --push-to-hub uploads the two files that are written, and nothing else that is in the folder; of a base in a folder
    adapter_config.json goes with the last name alone.

    Example: lora-lens export condlora/ --out condlora-as-lora/
    """
    from ..card.push import check_asked
    from ..writing.export import FILES, export_lora
    from .pushing import pushed

    check_asked(push_to_hub, private=private)
    written = export_lora(adapter, out, base)
    say(f"wrote {out}, which PEFT loads as plain LoRA")
    told = {"adapter": str(adapter), "out": str(written)}
    try:
        if push_to_hub is not None:
            told["commit"] = pushed(
                written, push_to_hub, files=FILES, private=private, as_json=as_json
            )
    finally:
        if as_json:
            print_json(told)
