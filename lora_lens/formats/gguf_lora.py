"""LoRA as llama.cpp has it, made of PEFT's by ``convert_lora_to_gguf.py``: ``blk.0.attn_v.weight.lora_a`` in a ``.gguf``.

s is α/rank with one α for all. Rows of a Llama's query and key are pairs of a rotation side by side there; they are put
back where the base is at hand, which says how many heads they are of.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace

from ..bases.quantised.gguf_file import ARCHITECTURE, is_adapter
from ..bases.quantised.gguf_names import ARCHITECTURES, Architecture, transformers_name
from ..errors import AdapterError
from ..updates import LowRank
from .adapter_files import AdapterFiles
from .factors.derived import reordered
from .factors.factor_pairs import OF_A_TABLE, pairs_by_path
from .factors.gguf_rows import HEADS, halves, heads_of, repository
from .format import Checkpoint, Format, of_factors

_FACTOR = re.compile(r"(?P<path>.+)\.weight\.lora_(?P<factor>[ab])")
_ALPHA = "adapter.lora.alpha"
_TABLE = "token_embd"
_ONE_ALPHA = (
    "s = α/rank with the one α of adapter.lora.alpha, as llama.cpp applies it: its conversion keeps nothing of "
    "use_rslora, alpha_pattern and biases"
)
_PAIRS = (
    "rows of query and key, attn_q and attn_k, are in llama.cpp's order: pass --base with the model, whose config.json "
    "says how many heads they are of, to have them in transformers' and to find their W0"
)
_ALORA = "aLoRA: ΔW is added from the invocation tokens on, and not before"


def _read(files: AdapterFiles) -> Checkpoint:
    known, alpha = _known(files), _alpha(files)
    of_header = repository(files.header)
    factors, _ = pairs_by_path(files, _FACTOR, "ab")
    updates: dict[str, LowRank] = {}
    left_out: dict[str, str] = {}
    heads = heads_of(files, files.base_model or of_header) if known.moved else {}
    pairs = False
    for own, names in factors.items():
        path = transformers_name(f"{own}.weight")
        if path is None or own == _TABLE or len(files.shape(names["a"])) != 2:
            why = OF_A_TABLE if own == _TABLE else "factor of a module whose rows are not known"
            left_out |= dict.fromkeys(names.values(), why)
            continue
        path = path.removesuffix(".weight")
        a, b = (files.factor(names[letter]) for letter in "ab")
        module = own.rpartition(".")[2]
        if module in heads:
            b = reordered(b, halves(b.shape[0], heads[module], own))
        elif known.moved and module in HEADS:
            path, pairs = own, True
        s = alpha / a.shape[0] if alpha else 1.0
        updates[path] = LowRank(a, b, s, (names["a"], names["b"]))
    said = (
        _ONE_ALPHA, *([_PAIRS] if pairs else []),
        *([_ALORA] if "adapter.alora.invocation_tokens" in files.header else []),
    )  # fmt: skip
    found = of_factors(files, updates, why=_rest, left_out=left_out, notes=said)
    return replace(found, base=of_header)


def _known(files: AdapterFiles) -> Architecture:
    if not is_adapter(files.header) or files.header.get("adapter.type", "lora") != "lora":
        raise AdapterError(
            f"{files.source} has factors, but general.type and adapter.type of its header say no LoRA: "
            f"{files.header.get('general.type')!r}, {files.header.get('adapter.type')!r}; convert it again"
        )
    name = files.header.get(ARCHITECTURE, "")
    if name not in ARCHITECTURES:
        raise AdapterError(
            f"{files.source} is llama.cpp's LoRA of the architecture {name!r}, expected one of {', '.join(ARCHITECTURES)}: "
            f"where the rows of others' weights are is not known; take PEFT's files that it was made of"
        )
    return ARCHITECTURES[name]


def _alpha(files: AdapterFiles) -> float:
    said = files.header.get(_ALPHA)
    try:
        found = float(said or "")
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise AdapterError(
            f"{files.source}: {_ALPHA} in its header is {said!r}, expected a finite number, by which llama.cpp scales "
            f"ΔW; convert it again"
        )
    return found


def _rest(name: str) -> str:
    return (
        "change of a norm's weight, which is no matrix"
        if "_norm" in name
        else "no low-rank factor of a layer"
    )


FORMAT = Format(
    name="gguf_lora",
    title="llama.cpp's LoRA",
    matches=lambda files: files.holds(_FACTOR),
    read=_read,
    cannot="other architectures than those whose bases are read are refused; embeddings and norms are left out",
    stems=("lora",),
)
