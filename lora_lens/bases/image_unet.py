"""The U-Net of Stable Diffusion: its blocks counted through, as its own code has them, or by level, as diffusers.

``input_blocks.4.1`` is ``down_blocks.1.attentions.0``: after the first, two layers and what halves the image
make a level. All of these models have two layers a level.
"""

from __future__ import annotations

import re

_A_LEVEL = (
    3  # two layers, and what changes the size; on the way up three layers, of which the last has it
)
_IN = re.compile(r"input_blocks\.([0-9]+)\.([01])\.(.+)")
_MIDDLE = re.compile(r"middle_block\.([012])\.(.+)")
_OUT = re.compile(r"output_blocks\.([0-9]+)\.([012])\.(.+)")
_RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "emb_layers.1": "time_emb_proj",
    "skip_connection": "conv_shortcut",
}
_ALONE = {
    "input_blocks.0.0": "conv_in",
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "label_emb.0.0": "add_embedding.linear_1",
    "label_emb.0.2": "add_embedding.linear_2",
    "out.2": "conv_out",
}


def diffusers_path(path: str) -> str | None:
    """diffusers' path of a module that the model's own code calls `path`; None for any other.

    Example:
        >>> diffusers_path("input_blocks.4.1.transformer_blocks.0.attn1.to_q")
        'down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q'
        >>> diffusers_path("output_blocks.5.2.conv"), diffusers_path("mid_block.resnets.0.conv1")
        ('up_blocks.1.upsamplers.0.conv', None)
    """
    if path in _ALONE:
        return _ALONE[path]
    if found := _MIDDLE.fullmatch(path):
        number = int(found[1])
        return f"mid_block.{_inside('attentions.0' if number == 1 else f'resnets.{number // 2}', found[2])}"
    if found := _IN.fullmatch(path):
        level, layer = divmod(int(found[1]) - 1, _A_LEVEL)
        return _of_level(f"down_blocks.{level}", layer, found, change="op", changer="downsamplers")
    if found := _OUT.fullmatch(path):
        level, layer = divmod(int(found[1]), _A_LEVEL)
        return _of_level(f"up_blocks.{level}", layer, found, change="conv", changer="upsamplers")
    return None


def _of_level(block: str, layer: int, found: re.Match[str], *, change: str, changer: str) -> str:
    kind, rest = found[2], found[3]
    if rest == change:
        return f"{block}.{changer}.0.conv"
    return f"{block}.{_inside(f'resnets.{layer}' if kind == '0' else f'attentions.{layer}', rest)}"


def _inside(part: str, rest: str) -> str:
    return f"{part}.{_RESNET.get(rest, rest) if part.startswith('resnets') else rest}"
