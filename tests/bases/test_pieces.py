"""Whatever a module's W0 is made of, it is found by one road: what has a weight is held, has a shape, and is given back."""

from pathlib import Path

import pytest
import torch
from checkpoints import random
from safetensors.torch import save_file

from lora_lens import open_base
from lora_lens.errors import BaseModelError
from lora_lens.files.tensors import TensorStore

EXPERTS = "model.layers.0.mlp.experts"
ATTENTION = "double_blocks.0.img_attn"
BLOCK = "transformer.transformer_blocks.0.attn"

OF_TEXT = {"model.layers.0.self_attn.q_proj.weight": random(6, 4, seed=0)}
APART = {
    f"{EXPERTS}.0.gate_proj.weight": random(3, 4, seed=1),
    f"{EXPERTS}.0.up_proj.weight": random(3, 4, seed=2),
}
STACKS = {
    f"{EXPERTS}.gate_up_proj": random(2, 6, 4, seed=3),
    f"{EXPERTS}.down_proj": random(2, 4, 3, seed=4),
}
OF_IMAGES = {
    f"{ATTENTION}.proj.weight": random(4, 4, seed=5),
    f"{ATTENTION}.qkv.weight": random(12, 4, seed=6),
}
QKV = OF_IMAGES[f"{ATTENTION}.qkv.weight"]


def base_of(folder: Path, tensors: dict[str, torch.Tensor]) -> str:
    save_file(tensors, folder / "model.safetensors")
    if tensors is OF_IMAGES:
        return str((folder / "model.safetensors").rename(folder / "image.safetensors"))
    (folder / "config.json").write_text('{"model_type": "qwen3_moe"}')
    return str(folder)


@pytest.mark.parametrize(
    ("tensors", "path", "w0"),
    [
        (OF_TEXT, "layers.0.self_attn.q_proj", next(iter(OF_TEXT.values()))),
        (APART, f"{EXPERTS}.0.gate_up_proj", torch.cat(list(APART.values()))),
        (STACKS, f"{EXPERTS}.1.down_proj", STACKS[f"{EXPERTS}.down_proj"][1]),
        (APART | STACKS, f"{EXPERTS}.0.gate_up_proj", torch.cat(list(APART.values()))),
        (OF_IMAGES, f"{BLOCK}.to_out.0", OF_IMAGES[f"{ATTENTION}.proj.weight"]),
        (OF_IMAGES, f"{BLOCK}.to_k", QKV[4:8]),
    ],
)
def test_what_has_a_weight_is_held_and_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    tensors: dict[str, torch.Tensor], path: str, w0: torch.Tensor,
) -> None:  # fmt: skip
    touched: dict[str, set[str]] = {"get": set(), "rows": set(), "release": set()}
    for method, names in touched.items():
        own = getattr(TensorStore, method)

        def seen(store: TensorStore, name: str, *rows: int, own=own, names=names):  # type: ignore[no-untyped-def]
            names.add(name)
            return own(store, name, *rows)

        monkeypatch.setattr(TensorStore, method, seen)
    base = open_base(base_of(tmp_path, tensors))
    for names in touched.values():
        names.clear()
    assert torch.equal(base.weight(path), w0)
    base.release(path)
    assert touched["get"] | touched["rows"] == touched["release"] != set()
    assert base.holds(path)
    assert base.stored_shape(path) == tuple(w0.shape)
    assert torch.equal(base.stored(path), w0)
    assert not base.is_conv1d(path)
    assert not base.is_tied(path)


@pytest.mark.parametrize(
    ("tensors", "path", "why"),
    [
        (STACKS, f"{EXPERTS}.2.down_proj", "experts with a matrix each, and 3 of them at least"),
        (STACKS, "model.layers.0.mlp.gate", "no weight of model.layers.0.mlp.gate"),
        (OF_IMAGES, "transformer.unheard_of", "no weight of transformer.unheard_of"),
    ],
)
def test_what_is_not_held_has_no_weight_by_any_road(
    tmp_path: Path, tensors: dict[str, torch.Tensor], path: str, why: str
) -> None:
    base = open_base(base_of(tmp_path, tensors))
    assert not base.holds(path)
    base.release(path)
    for asked in (base.weight, base.stored_shape, base.stored):
        with pytest.raises(BaseModelError, match=why):
            asked(path)
