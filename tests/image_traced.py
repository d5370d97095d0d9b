"""Where diffusers' own conversion takes every row of an image model's tensors; ``image_traced.txt`` keeps its answers.

    python tests/image_traced.py

writes the file again, with diffusers installed; a test does so and compares, where it is.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import image_originals as originals

KEPT = Path(__file__).with_name("image_traced.txt")
# Model → its original tensors, and the function of diffusers' that converts them.
MODELS: Mapping[str, tuple[Callable[[], originals.Shapes], str]] = {
    "sd1": (lambda: originals.unet(4, (0, 1, 2)), "convert_ldm_unet_checkpoint"),
    "sdxl": (lambda: originals.unet(3, (1, 2)), "convert_ldm_unet_checkpoint"),
    "flux": (originals.flux, "convert_flux_transformer_checkpoint_to_diffusers"),
    "flux 2": (originals.flux_2, "convert_flux2_transformer_checkpoint_to_diffusers"),
    "hunyuan": (originals.hunyuan, "convert_hunyuan_video_transformer_to_diffusers"),
    "sd3": (originals.sd3, "convert_sd3_transformer_checkpoint_to_diffusers"),
    "wan": (originals.wan, "convert_wan_transformer_to_diffusers"),
    "ltx": (originals.ltx, "convert_ltx_transformer_checkpoint_to_diffusers"),
    "z-image": (originals.z_image, "convert_z_image_transformer_checkpoint_to_diffusers"),
    "open clip": (originals.open_clip, "convert_open_clip_checkpoint"),
}
Traced = dict[str, dict[str, list[list[Any]]]]


def _numbered(shapes: originals.Shapes) -> tuple[dict[str, Any], list[str]]:
    """Tensors whose every entry says which tensor and row it is of, and the names by number; biases too."""
    import torch

    names = list(shapes)
    tensors = {}
    for number, (name, shape) in enumerate(shapes.items()):
        rows = torch.arange(shape[0], dtype=torch.float64) + 1e6 * number
        tensors[name] = rows.reshape(-1, *[1] * (len(shape) - 1)).expand(shape)
        bias = name.removesuffix("weight") + "bias"
        if name.endswith("weight"):
            tensors[bias] = rows.clone()
    return tensors, names


def _runs(rows: Iterable[int]) -> list[list[int]]:
    """Numbers as runs ``[first, last + 1]``."""
    found: list[list[int]] = []
    for row in rows:
        if found and found[-1][1] == row:
            found[-1][1] += 1
        else:
            found.append([row, row + 1])
    return found


def trace(model: str) -> dict[str, list[list[Any]]]:
    """diffusers' name → the rows of the original's tensors that it is made of: name, first, last + 1."""
    from types import SimpleNamespace

    from diffusers.loaders import single_file_utils as library

    shapes, function = MODELS[model]
    tensors, names = _numbered(shapes())
    convert = getattr(library, function)
    if model in ("sd1", "sdxl"):
        more = {"addition_embed_type": "text_time"} if model == "sdxl" else {}
        converted = convert(tensors, {"layers_per_block": 2, **more})
    elif model == "open clip":
        config = SimpleNamespace(config=SimpleNamespace(hidden_size=4))
        converted = convert(config, tensors, prefix="conditioner.embedders.1.model.")
    else:
        converted = convert(tensors)
    found = {}
    for name, tensor in converted.items():
        if not name.endswith(".weight") or tensor.ndim < 2:
            continue
        entries = tensor.reshape(len(tensor), -1)[:, 0].tolist()
        pieces = []
        for number in dict.fromkeys(int(entry // 1e6) for entry in entries):
            rows = [int(entry % 1e6) for entry in entries if int(entry // 1e6) == number]
            pieces += [[names[number], *run] for run in _runs(rows)]
        found[name] = pieces
    return found


def kept() -> Traced:
    """The answers as they were kept, a line a tensor."""
    found: Traced = {}
    for line in KEPT.read_text().splitlines():
        model, name, *pieces = line.split("\t")
        rows = (piece.split(":") for piece in pieces)
        found.setdefault(model, {})[name] = [[of, int(one), int(two)] for of, one, two in rows]
    return found


if __name__ == "__main__":
    lines = (
        "\t".join([model, name, *(f"{of}:{one}:{two}" for of, one, two in pieces)])
        for model in MODELS
        for name, pieces in trace(model).items()
    )
    KEPT.write_text("\n".join(lines) + "\n")
