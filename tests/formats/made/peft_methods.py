"""Adapters of PEFT's other methods, with what PEFT's own merge adds to W0."""

import copy
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from made_formats import made_by
from torch import Tensor

peft = pytest.importorskip("peft", minversion="0.21")
lora = made_by("peft_lora")

Deltas = Mapping[str, Tensor]


def saved(
    config: str, make: Callable[[], torch.nn.Module] = lora.bert, **settings: Any
) -> Callable[[Path], Deltas]:
    """A case: a model that PEFT has wrapped by such a configuration, trained by chance."""

    def case(folder: Path) -> Deltas:
        torch.manual_seed(0)
        model = make()
        model.save_pretrained(folder / "base")
        given = {"target_modules": ["query", "intermediate.dense"]} | settings
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tuned = peft.get_peft_model(model, getattr(peft, config)(**given))
            generator = torch.Generator().manual_seed(1)
            for parameter in tuned.parameters():
                if parameter.requires_grad:
                    noise = torch.randn(parameter.shape, generator=generator)
                    parameter.data += 0.3 * noise.to(parameter.dtype)
            tuned.save_pretrained(folder / "adapter")
            return added(tuned)

    return case


def added(tuned: Any) -> Deltas:
    """W0 + ΔW by PEFT's merge, less W0, in float64, as (out, in)."""
    found = {}
    for path, layer in copy.deepcopy(tuned).double().get_base_model().named_modules():
        if not hasattr(layer, "merge") or not hasattr(layer, "get_base_layer"):
            continue
        before = layer.get_base_layer().weight.detach().clone()
        layer.merge()
        delta = layer.get_base_layer().weight.detach() - before
        turned = type(layer.get_base_layer()).__name__ == "Conv1D"
        found[path] = delta.T if turned else delta.flatten(1)
    return found


GPT2 = {"make": lora.gpt2, "target_modules": ["c_attn", "mlp.c_proj"], "fan_in_fan_out": True}
CONVOLUTIONS = {"make": lora.Convolutions, "target_modules": ["two", "linear"]}
CASES: Mapping[str, Callable[[Path], Deltas]] = {
    "vera": saved("VeraConfig", r=4),
    "vera, its projections from a seed": saved("VeraConfig", r=4, save_projection=False),
    "vera on conv1d": saved("VeraConfig", r=4, **GPT2),
    "loha": saved("LoHaConfig", r=3, alpha=5, rank_pattern={"query": 2}),
    "loha on convolutions": saved("LoHaConfig", r=3, **CONVOLUTIONS),
    "loha on convolutions, decomposed": saved(
        "LoHaConfig", r=3, use_effective_conv2d=True, **CONVOLUTIONS
    ),
    "lokr": saved("LoKrConfig", r=2, decompose_both=True),
    "lokr, whole": saved("LoKrConfig", r=64),
    "lokr on convolutions": saved("LoKrConfig", r=2, use_effective_conv2d=True, **CONVOLUTIONS),
    "vblora": saved("VBLoRAConfig", r=2, num_vectors=8, vector_length=8, topk=2),
    "vblora, its topk alone": saved(
        "VBLoRAConfig", r=2, num_vectors=8, vector_length=8, topk=2, save_only_topk_weights=True
    ),
    "vblora, its one of topk alone": saved(
        "VBLoRAConfig", r=2, num_vectors=8, vector_length=8, topk=1, save_only_topk_weights=True
    ),
    "randlora": saved("RandLoraConfig", r=4),
    "randlora from a seed": saved("RandLoraConfig", r=4, save_projection=False),
    "c3a": saved("C3AConfig", block_size=8),
    "c3a, of two sizes": saved("C3AConfig", block_size=8, block_size_pattern={"query": 4}),
    "delora": saved("DeloraConfig", r=3),
    "fourierft": saved("FourierFTConfig", n_frequency=20),
    "fourierft on conv1d": saved("FourierFTConfig", n_frequency=20, scaling=300.0, **GPT2),
    "gralora": saved("GraloraConfig", r=4, gralora_k=2),
    "miss": saved("MissConfig", r=4),
    "miss, bat": saved("MissConfig", r=4, init_weights="bat"),
    "miss, mini": saved("MissConfig", r=4, init_weights="mini", mini_r=8),
    "psoft": saved("PsoftConfig", r=4),
    "psoft, of rank 1": saved("PsoftConfig", r=1),
    "tinylora": saved("TinyLoraConfig", r=2, u=5),
    "tinylora, tied, from a seed": saved(
        "TinyLoraConfig", r=2, u=5, weight_tying=0.5, save_projection=False
    ),
    "unilora": saved("UniLoraConfig", r=2, theta_d_length=64),
    "unilora, its indices": saved("UniLoraConfig", r=2, theta_d_length=64, save_indices=True),
    "fourierft, of two counts": saved(
        "FourierFTConfig", n_frequency=20, n_frequency_pattern={"query": 9}
    ),
    "fourierft, of an expression": saved(
        "FourierFTConfig", n_frequency=20, n_frequency_pattern={r"query|intermediate\.dense": 9}
    ),
    "c3a, of an expression": saved(
        "C3AConfig", block_size=8, block_size_pattern={r"query|intermediate\.dense": 4}
    ),
    "waveft": saved("WaveFTConfig", n_frequency=20),
    "waveft, of two counts": saved(
        "WaveFTConfig", n_frequency=20, n_frequency_pattern={"query": 9}
    ),
}
