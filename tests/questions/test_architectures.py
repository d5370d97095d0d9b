"""Spectral statistics of real layouts: Conv1D, fused and grouped queries, against dense products."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from slow_routes import slow_phi

from lora_lens import (
    amplification,
    load_adapter,
    rank_grids,
    spectrum,
)

peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")


def gpt2() -> torch.nn.Module:
    config = transformers.GPT2Config(n_embd=12, n_layer=1, n_head=2, vocab_size=11, n_positions=8)
    return transformers.GPT2LMHeadModel(config)


def llama() -> torch.nn.Module:
    config = transformers.LlamaConfig(
        hidden_size=12, intermediate_size=20, num_hidden_layers=1, num_attention_heads=4,
        num_key_value_heads=2, vocab_size=11,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config)


@pytest.mark.parametrize(
    ("model", "target", "module", "rows", "fan_in_fan_out"),
    [
        (gpt2, "c_attn", "key", slice(12, 24), True),
        (gpt2, "c_fc", "c_fc", slice(None), True),
        (llama, "k_proj", "k_proj", slice(None), False),
        (llama, "down_proj", "down_proj", slice(None), False),
    ],
)
def test_equals_the_dense_matrices(
    tmp_path: Path,
    model: Callable[[], torch.nn.Module],
    target: str,
    module: str,
    rows: slice,
    fan_in_fan_out: bool,
) -> None:
    torch.manual_seed(0)
    plain = model()
    plain.save_pretrained(tmp_path / "base")
    config = peft.LoraConfig(
        r=3, lora_alpha=6, target_modules=[target], fan_in_fan_out=fan_in_fan_out
    )
    tuned = peft.get_peft_model(plain, config)
    (layer,) = [m for name, m in tuned.named_modules() if name.endswith(f".{target}")]
    for factor in (layer.lora_A, layer.lora_B):
        torch.nn.init.normal_(factor["default"].weight, std=0.1)
    tuned.save_pretrained(tmp_path / "lora")
    stored = layer.base_layer.weight.detach().double().numpy()
    w0 = (stored.T if fan_in_fan_out else stored)[rows]
    delta = layer.get_delta_weight("default").detach().double().numpy()
    delta = (delta.T if fan_in_fan_out else delta)[rows]

    adapter = load_adapter(tmp_path / "lora", tmp_path / "base")
    u, s, vh = np.linalg.svd(delta)
    (amplified,) = amplification(adapter, module).layers
    inside = np.linalg.norm(u[:, :3].T @ w0 @ vh[:3].T)
    assert amplified.factor == pytest.approx(np.linalg.norm(delta) / inside, rel=1e-4)
    (one,) = spectrum(adapter, module, ks=[5], draws=0).of(module)
    np.testing.assert_allclose(one.singular_values, s[:3], rtol=1e-4)
    u0, u1 = (np.linalg.svd(m, full_matrices=False)[0] for m in (w0, w0 + delta))
    assert one.beside_w0 is not None
    np.testing.assert_allclose(one.beside_w0.cosines, abs(u0.T @ u1).max(0)[:5], atol=1e-3)
    for grid in rank_grids(adapter, None, module, top=4):
        for i, j in ((1, 1), (4, 2), (2, 3)):
            expected = slow_phi(w0, delta, i, j, grid.side)
            assert grid.values[i - 1, j - 1] == pytest.approx(expected, abs=1e-4)
