"""Adapters of every model that transformers has, read beside PEFT's own merge: python benchmarks/sweep.py.

Of each model type a small one with random weights is made, plain and with a head; PEFT puts LoRA of rank 2 on every linear layer
(``all-linear``), base and adapter are saved by the libraries, and lora-lens reads both back: by the adapter and the base; without
the base's config.json; and from a base that was saved in float16. W0 + s·B·A is compared with PEFT's merged weight, layer by layer.

Printed are the counts of adapters read right, right in part (what is missing is in `left_out`, or refused when W0 is asked for),
refused in one line, and wrong; each that is wrong, and with --verbose each that was refused. Ends with 1 where one is wrong. Models
that cannot be made so small are counted, and no more. Needs the `train` extra.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import re
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import lora_lens as ll
from lora_lens.bases.of_adapter import open_base_of

MOST = 20_000_000  # parameters of a small model
WIDTH = re.compile(
    r"hidden_size|d_model|^dim$|n_embd|_dim$|ffn|intermediate|embed|^width$|d_ff|d_kv"
)
LAYERS = {"num_hidden_layers", "num_layers", "encoder_layers", "decoder_layers", "depth", "n_layer"}
HEADS = (
    "_FOR_CAUSAL_LM", "_FOR_IMAGE_TEXT_TO_TEXT", "_FOR_SEQ_TO_SEQ_CAUSAL_LM", "_FOR_MASKED_LM",
    "_FOR_IMAGE_CLASSIFICATION", "_FOR_SPEECH_SEQ_2_SEQ", "_FOR_AUDIO_CLASSIFICATION",
)  # fmt: skip
WAYS = ("as saved", "no config.json", "float16")


def shrink(config: Any, by: int, depth: int = 0) -> None:
    """Two layers of everything, few experts and words, widths divided."""
    import transformers

    for name, value in list(vars(config).items()):
        if isinstance(value, transformers.PretrainedConfig) and depth < 3:
            shrink(value, by, depth + 1)
        elif name.endswith("layer_types") and isinstance(value, list):
            setattr(config, name, value[:2])
        elif isinstance(value, int) and not isinstance(value, bool):
            setattr(config, name, smaller(name, value, by))


def smaller(name: str, value: int, by: int) -> int:
    """A number of a small configuration."""
    if name in LAYERS:
        return min(value, 2)
    if name.endswith("experts"):
        return min(value, 4)
    if name == "vocab_size":
        return min(value, 512)
    if name.endswith("token_id"):
        return min(value, 1)
    wide = WIDTH.search(name) is not None and value % by == 0 and value // by >= 16
    return value // by if wide else value


def models(name: str) -> Iterator[tuple[str, Any]]:
    """A plain model and one with a head, as far as they can be made."""
    import transformers

    auto = transformers.models.auto.modeling_auto
    kind = type(transformers.AutoConfig.for_model(name))
    made = 0
    for head in ("", *HEADS):
        mapping = getattr(auto, f"MODEL{head}_MAPPING", None)
        found = mapping.get(kind, None) if mapping is not None else None
        chosen = found[0] if isinstance(found, tuple) else found
        model = None if chosen is None or made == 2 else first(name, chosen)
        if model is not None:
            made += 1
            yield f"{name}: {chosen.__name__}", model


def first(name: str, chosen: Any) -> Any:
    """The first that can be made: of widths divided by 16, 8, 4, 2 and 1."""
    import transformers

    for by in (16, 8, 4, 2, 1):
        with contextlib.suppress(Exception):
            config = transformers.AutoConfig.for_model(name)
            shrink(config, by)
            with torch.device("meta"):
                size = sum(weight.numel() for weight in chosen(config).parameters())
            if size <= MOST:
                torch.manual_seed(0)
                return chosen(config).float().eval()
    return None


def tuned(model: Any, folder: Path) -> dict[str, Tensor]:
    """Saves base and adapter; by path, PEFT's merged weights as (out, in)."""
    import peft

    model.save_pretrained(folder / "base")
    wrapped = peft.get_peft_model(
        model, peft.LoraConfig(r=2, lora_alpha=6, target_modules="all-linear")
    )
    layers = {
        name.removeprefix("base_model.model."): module
        for name, module in wrapped.named_modules()
        if hasattr(module, "lora_A") and "default" in module.lora_A
    }
    for layer in layers.values():
        for factor in (layer.lora_A, layer.lora_B):
            torch.nn.init.normal_(factor["default"].weight, std=0.5)
    wrapped.save_pretrained(folder / "lora")
    merged = {}
    for path, layer in layers.items():
        delta = layer.get_delta_weight("default")
        whole = (layer.base_layer.weight + delta).detach().clone()
        turned = type(layer.base_layer).__name__ == "Conv1D"
        merged[path] = whole.T if turned else whole
    return merged


def read(folder: Path, merged: dict[str, Tensor], *, half: bool) -> tuple[str, str]:
    """right, in part, refused or wrong; and of what."""
    close = {"atol": 2e-2, "rtol": 2e-2} if half else {"atol": 1e-4, "rtol": 1e-4}
    seen: Counter[str] = Counter()
    refused = ""
    try:
        adapter = ll.load_adapter(folder / "lora", folder / "base")
        base = open_base_of(adapter)
        for factors in adapter.modules.values():
            for k, path in enumerate(factors.names):
                try:
                    w0 = base.w0(factors, k).float()
                except ll.LensError as error:
                    refused = str(error)
                    continue
                whole = merged[path]
                expected = factors.part.take(whole) if factors.part else whole
                made = w0 + factors.scaling[k].float() * factors.b[k].float() @ factors.a[k].float()
                if made.shape != expected.shape or not torch.allclose(made, expected, **close):
                    return "wrong", path
                seen[path] += factors.out_features
    except ll.LensError as error:
        return "refused", str(error)
    except Exception as error:
        return "wrong", f"{type(error).__name__}: {error}"
    whole = all(seen[path] == weight.shape[0] for path, weight in merged.items())
    if whole:
        return "right", ""
    left = len(merged) - len(seen)
    silent = not refused and not adapter.left_out
    return (
        ("wrong", "a layer is missing without a word")
        if silent
        else ("in part", refused or f"{left} left out")
    )


def ways(folder: Path, merged: dict[str, Tensor]) -> Iterator[tuple[str, str, str]]:
    """The base as saved, without its configuration, in float16."""
    yield (WAYS[0], *read(folder, merged, half=False))
    kept = (folder / "base" / "config.json").read_text()
    (folder / "base" / "config.json").unlink()
    yield (WAYS[1], *read(folder, merged, half=False))
    (folder / "base" / "config.json").write_text(kept)
    from safetensors.torch import load_file, save_file

    for file in (folder / "base").glob("*.safetensors"):
        save_file({name: tensor.half() for name, tensor in load_file(file).items()}, file)
    yield (WAYS[2], *read(folder, merged, half=True))


def main() -> None:
    """All of them."""
    import transformers

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("types", nargs="*", help="model types; by default all")
    parser.add_argument("--verbose", action="store_true", help="say why each was refused")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    types = options.types or sorted(
        transformers.models.auto.configuration_auto.CONFIG_MAPPING_NAMES
    )
    counts: dict[str, Counter[str]] = {way: Counter() for way in WAYS}
    began, adapters, wrong, made = time.monotonic(), 0, [], set()
    for place, name in enumerate(types):
        with contextlib.suppress(Exception):
            for label, model in models(name):
                with tempfile.TemporaryDirectory() as root:
                    folder = Path(root)
                    try:
                        merged = tuned(model, folder)
                    except Exception:
                        continue
                    made.add(name)
                    for way, verdict, what in ways(folder, merged):
                        adapters += 1
                        counts[way][verdict] += 1
                        if verdict == "wrong":
                            wrong.append(f"{label}, {way}: {what}")
                            print(f"WRONG {wrong[-1]}", flush=True)
                        elif options.verbose and verdict != "right":
                            print(f"{verdict} {label}, {way}: {what[:300]}", flush=True)
                    shutil.rmtree(folder, ignore_errors=True)
                    Path(root).mkdir(exist_ok=True)
                del model
                gc.collect()
        if sys.stderr.isatty():
            print(f"\r{place + 1} of {len(types)} types", end="", file=sys.stderr)
    print(
        f"{adapters} adapters of {len(made)} model types of {len(types)} (the others cannot be made small), "
        f"transformers {transformers.__version__}, {time.monotonic() - began:.0f} s"
    )
    for way, found in counts.items():
        print(
            f"{way}: "
            + ", ".join(f"{found[v]} {v}" for v in ("right", "in part", "refused", "wrong"))
        )
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
