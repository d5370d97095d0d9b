"""What is a property of the function, and what of the file: python benchmarks/folding.py [BASE] [--adapter DIR].

A transformer's attention reads ``g∘x̂ + c``, g and c the gain and bias of the LayerNorm before it. ``W0·diag(g)`` beside a
LayerNorm of gain 1 is the same model (its bias moves into W0's), and ``A·diag(g)`` beside B the same adapter. This prints statistics of
the value modules of BERT-like bases (each layer's LayerNorm before it is the one that ends the layer below) before and after that
fold, by itself, and after one gain in common for all layers, which folds a change of units of the residual stream.

Without --adapter the factors are Gaussian, with it they are the adapter's.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from one_module import one_module
from page_table import table
from safetensors.torch import save_file
from torch import Tensor

import lora_lens as ll
from lora_lens.adapter import ModuleFactors
from lora_lens.subspaces.untrained import untrained_factors

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
BEFORE = ("encoder.layer.{}.output.LayerNorm", "embeddings.LayerNorm")


def main() -> None:
    """Fold, ask twice, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base", nargs="?", default=MINILM)
    parser.add_argument("--adapter")
    parser.add_argument("--module", default="value")
    parser.add_argument("--draws", type=int, default=99)
    asked = parser.parse_args()
    base = ll.open_base(asked.base)
    if asked.adapter:
        factors = ll.load_adapter(asked.adapter, base=asked.base).modules[asked.module]
    else:
        generator = torch.Generator().manual_seed(0)
        factors = untrained_factors(base, asked.module, 8, generator=generator)
    gains = torch.stack([gain(base, layer) for layer in factors.layers])
    common = gains.mean(0).expand_as(gains)
    columns = [
        asked_of(factors, base, g, asked.draws) for g in (torch.ones_like(gains), gains, common)
    ]
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    print(*table(["statistic", "as it is", "gains folded", "one gain for all"], rows), sep="\n")


def gain(base: ll.BaseWeights, layer: int) -> Tensor:
    """Of the LayerNorm before a layer's attention."""
    path = (BEFORE[0].format(layer - 1) if layer else BEFORE[1]) + ".weight"
    (name,) = (name for name in base.tensors.files if name.endswith(path))
    return base.tensors.get(name).double()


def asked_of(factors: ModuleFactors, base: ll.BaseWeights, g: Tensor, draws: int) -> dict[str, str]:
    """Statistics of ``W0·diag(g)`` and ``A·diag(g)``."""
    folded = replace(factors, a=factors.a.double() * g[:, None])
    weights = {
        f"{name}.weight": base.w0(factors, k).double() * g[k]
        for k, name in enumerate(factors.names)
    }
    with tempfile.TemporaryDirectory() as folder:
        save_file(
            {name: w.contiguous() for name, w in weights.items()},
            Path(folder) / "model.safetensors",
        )
        return statistics(folded, ll.open_base(folder), draws)


def statistics(factors: ModuleFactors, base: ll.BaseWeights, draws: int) -> dict[str, str]:
    """By name."""
    adapter = one_module(factors, base, "folded")
    found: dict[str, str] = {}
    similar = ll.conversion_similarity(
        adapter, factors.module, convention="stored", draws=draws, base=base
    )
    shared = ll.shared_subspace(
        adapter, factors.module, convention="stored", draws=draws, base=base
    )
    for matrix in ("A", "B"):
        found[f"φ of {matrix}'s conversions, mean"] = f"{similar[matrix].mean:.4f}"
    found["of random factors' (propagated)"] = f"{similar['B'].baseline_mean('propagated'):.4f}"
    for matrix in ("A", "B"):
        one = shared[matrix].predicted
        flipped = one.nulls["flipped"]
        found[f"predicted share of {matrix}, mean (flips)"] = (
            f"{one.mean:.4f} ({flipped.mean:.4f}, z {flipped.z:.1f})"
        )
    found["φ of B itself between layers, mean"] = f"{own(factors.b):.4f}"
    found["φ of A itself between layers, mean"] = f"{own(factors.a.mT):.4f}"
    norms = torch.linalg.matrix_norm(factors.b.double() @ factors.a.double())
    found["‖BA‖ of the last layer beside the first"] = f"{float(norms[-1] / norms[0]):.3f}"
    return found


def own(factor: Tensor) -> float:
    """Mean φ between different layers."""
    bases = torch.linalg.qr(factor.double()).Q
    cosines = torch.einsum("ldi,mdj->lmij", bases, bases).square().sum((-2, -1)) / bases.shape[-1]
    layers = len(cosines)
    return float((cosines.sum() - cosines.diagonal().sum()) / (layers * (layers - 1)))


if __name__ == "__main__":
    main()
