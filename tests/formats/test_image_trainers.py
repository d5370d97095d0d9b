"""Files of trainers of image and video models by their documented names: ΔW by hand, and W0 that of the model's own file."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from checkpoints import random
from made_formats import deltas
from safetensors.torch import save_file
from torch import Tensor

import lora_lens as ll
from lora_lens.errors import AdapterError

# What a model's own modules are called.
MODELS = {
    "Wan": ["blocks.0.self_attn.q", "blocks.1.cross_attn.k_img", "blocks.1.ffn.2", "head.head"],
    "Wan VACE": ["blocks.0.cross_attn.k", "vace_blocks.0.self_attn.q", "vace_blocks.1.before_proj"],
    "HunyuanVideo": ["double_blocks.0.img_attn_qkv", "double_blocks.1.txt_mlp.fc1", "single_blocks.2.linear1"],
    "Flux": ["double_blocks.0.img_attn.qkv", "double_blocks.1.txt_mlp.0", "single_blocks.0.modulation.lin"],
    "SD3": ["joint_blocks.0.context_block.attn.qkv", "joint_blocks.1.x_block.adaLN_modulation.1"],
    "Qwen-Image": ["transformer_blocks.0.attn.add_q_proj", "transformer_blocks.1.img_mlp.net.0.proj",
                   "transformer_blocks.1.txt_mod.1"],
    "Z-Image": ["layers.0.attention.to_q", "layers.1.feed_forward.w1", "context_refiner.0.attention.to_out.0"],
    "HiDream": ["double_stream_blocks.0.block.attn1.to_q_t", "double_stream_blocks.1.block.ff_i.shared_experts.w1",
                "single_stream_blocks.0.block.ff_i.experts.3.w2"],
}  # fmt: skip
DOWN_UP, A_B = ("lora_down.weight", "lora_up.weight"), ("lora_A.weight", "lora_B.weight")
NAMED = ("lora_A.default.weight", "lora_B.default.weight")


def flat(prefix: str) -> Callable[[str], str]:
    return lambda path: prefix + path.replace(".", "_")


# How its trainer spells a path, the two factors, α, and what lora-lens puts before the path.
TRAINERS: dict[str, tuple[Callable[[str], str], tuple[str, str], float | None, str]] = {
    "musubi-tuner, fluxgym, sd-scripts": (flat("lora_unet_"), DOWN_UP, 6, "unet."),
    "VideoX-Fun": (flat("lora_unet__"), DOWN_UP, 6, "unet."),
    "OneTrainer": (flat("lora_transformer_"), DOWN_UP, 6, "transformer."),
    "SimpleTuner with LyCORIS": (flat("lycoris_"), DOWN_UP, 6, ""),
    "ai-toolkit, diffusion-pipe": ("diffusion_model.{}".format, A_B, None, "diffusion_model."),
    "SimpleTuner, finetrainers": ("transformer.{}".format, A_B, None, "transformer."),
    "DiffSynth-Studio": (str, NAMED, None, "diffusion_model."),
    "Black Forest Labs": (str, A_B, None, "diffusion_model."),
    "lightning LoRAs": (str, DOWN_UP, 6, "diffusion_model."),
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("trainer", TRAINERS)
def test_delta_and_w0_of_each(tmp_path: Path, trainer: str, model: str) -> None:
    spelled, parts, alpha, root = TRAINERS[trainer]
    tensors: dict[str, Tensor] = {}
    w0, expected = {}, {}
    for seed, path in enumerate(MODELS[model]):
        a, b, w0[path] = (
            random(2, 5, seed=seed),
            random(6, 2, seed=9 + seed),
            random(6, 5, seed=seed),
        )
        tensors |= {f"{spelled(path)}.{part}": one for part, one in zip(parts, (a, b), strict=True)}
        if alpha is not None:
            tensors[f"{spelled(path)}.alpha"] = torch.tensor(alpha)
        expected[root + path] = (1.0 if alpha is None else alpha / 2) * b.double() @ a.double()
    save_file(tensors, tmp_path / "style.safetensors")
    save_file({f"{path}.weight": one for path, one in w0.items()}, tmp_path / "base.safetensors")
    adapter = ll.load_adapter(tmp_path / "style.safetensors")
    assert not adapter.left_out
    base = ll.open_base(str(tmp_path / "base.safetensors"))
    found = deltas(adapter)
    for (path, delta), (wanted, true) in zip(
        sorted(found.items()), sorted(expected.items()), strict=True
    ):
        # HunyuanVideo's `img_attn_qkv` is Flux's `img_attn.qkv` where `_` stands for both.
        assert path.replace(".", "_") == wanted.replace(".", "_")
        assert path == wanted or model == "HunyuanVideo"
        assert torch.linalg.norm(delta - true) < 1e-12 * torch.linalg.norm(true)
    for factors in adapter.modules.values():
        for place, path in enumerate(factors.names):
            assert torch.equal(base.w0(factors, place), w0[_own(path, root, w0)]), path


def _own(path: str, root: str, w0: dict[str, Tensor]) -> str:
    rest = path.removeprefix(root).replace(".", "_")
    return next(own for own in w0 if own.replace(".", "_") == rest)


def test_blocks_that_stand_alone_may_be_beside_biases_and_norms(tmp_path: Path) -> None:
    """As in the control LoRAs of Flux."""
    path = "double_blocks.0.img_attn"
    tensors = {
        f"{path}.proj.lora_A.weight": random(2, 5, seed=1), f"{path}.proj.lora_B.weight": random(6, 2, seed=2),
        f"{path}.proj.lora_B.bias": random(6, seed=3), f"{path}.norm.key_norm.scale": random(4, seed=4),
    }  # fmt: skip
    save_file(tensors, tmp_path / "control.safetensors")
    adapter = ll.load_adapter(tmp_path / "control.safetensors")
    assert list(deltas(adapter)) == [f"diffusion_model.{path}.proj"]
    assert adapter.left_out == {
        f"{path}.norm.key_norm.scale": "no low-rank factor of a layer",
        f"{path}.proj.lora_B.bias": "change of a bias, no part of ΔW",
    }
    assert any("s = 1 where there is no .alpha" in note for note in adapter.notes)


@pytest.mark.parametrize(
    ("path", "parts", "magnitude"),
    [
        # ai-toolkit, of its network type dora.
        ("transformer.blocks.0.attn.to_q", A_B, ("magnitude", (6,))),
        ("lora_unet_mid_block_attentions_0_proj_in", DOWN_UP, ("magnitude", (6,))),
        ("blocks.0.attn.wq", A_B, ("dora_scale", (1, 5))),  # OneTrainer's own of Krea 2
        ("blocks.0.attn.wq", A_B, ("dora_scale", (6, 1))),
    ],
)
def test_a_magnitude_is_doras_whoever_names_it(
    tmp_path: Path, path: str, parts: tuple[str, str], magnitude: tuple[str, tuple[int, ...]]
) -> None:
    name, shape = magnitude
    tensors = {
        f"{path}.{parts[0]}": random(2, 5, seed=1), f"{path}.{parts[1]}": random(6, 2, seed=2),
        f"{path}.{name}": random(*shape, seed=3).abs(),
    }  # fmt: skip
    save_file(tensors, tmp_path / "a.safetensors")
    adapter = ll.load_adapter(tmp_path / "a.safetensors")
    assert adapter.method == "dora"
    assert adapter.caveats[0].startswith("DoRA over input" if shape == (1, 5) else "DoRA: numbers")


def test_a_language_models_layers_that_stand_alone_say_no_scale(tmp_path: Path) -> None:
    """No image model's words are in them: PEFT's names, without the configuration that has α."""
    for path in ("model.layers.0.self_attn.q_proj", "layers.0.attention.wq", "blocks.0.attn.qkv"):
        one = {
            f"{path}.lora_A.weight": random(2, 5, seed=1),
            f"{path}.lora_B.weight": random(6, 2, seed=2),
        }
        save_file(one, tmp_path / "alone.safetensors")
        with pytest.raises(
            AdapterError, match=r'which says α .* \{"peft_type": "LORA", "r": …, "lora_alpha": …\}'
        ):
            ll.load_adapter(tmp_path / "alone.safetensors")


@pytest.mark.parametrize("spelled", [flat("lora_unet_"), "diffusion_model.{}".format])
def test_w0_of_animas_is_in_its_net(tmp_path: Path, spelled: Callable[[str], str]) -> None:
    paths = [
        "blocks.0.self_attn.q_proj", "blocks.0.adaln_modulation_mlp.1", "blocks.1.mlp.layer1", "x_embedder.proj.1",
        "llm_adapter.blocks.0.self_attn.q_proj",
    ]  # fmt: skip
    tensors, w0 = {}, {}
    for seed, path in enumerate(paths):
        w0[f"net.{path}.weight"] = random(6, 5, seed=seed)
        tensors[f"{spelled(path)}.lora_down.weight"] = random(2, 5, seed=seed)
        tensors[f"{spelled(path)}.lora_up.weight"] = random(6, 2, seed=seed)
    save_file(tensors, tmp_path / "style.safetensors")
    save_file(w0, tmp_path / "anima.safetensors")
    adapter = ll.load_adapter(tmp_path / "style.safetensors")
    base = ll.open_base(str(tmp_path / "anima.safetensors"))
    found = {
        path.partition(".")[2]: base.w0(factors, place)
        for factors in adapter.modules.values()
        for place, path in enumerate(factors.names)
    }
    assert found.keys() == set(paths)
    assert all(torch.equal(one, w0[f"net.{path}.weight"]) for path, one in found.items())
