"""How often `outliers` names a coordinate where none stands apart: python benchmarks/false_finds.py.

Of W0 with Gaussian entries no coordinate is more than another, so each that is named is an error; the stated
level is that of any in a whole answer. Printed beside it is how often a column at a fifth of the others' norm, in every layer,
is named, and how often by itself; and how often one is named where the columns' lengths, the same in every layer, are drawn from
one law with so many short ones (a gamma distribution of shape 4) that what W0's inverse makes of them has a heavier tail than the test allows for.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file

import lora_lens as ll

EMPTY, NORM = 7, 0.2
SHAPE = 4  # of the gamma distribution


def main() -> None:
    """Draw, ask, count."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", type=int, default=300)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--width", type=int, default=96)
    asked = parser.parse_args()
    gaussian = [named(number, asked.layers, asked.width, 1.0) for number in range(asked.sets)]
    planted = [named(number, asked.layers, asked.width, NORM) for number in range(asked.sets)]
    print(f"{asked.sets} sets of {asked.layers} layers of {asked.width}², stated level 0.01")
    print(f"Gaussian W0: something is named in {sum(map(bool, gaussian))}")
    wide = [named(number, asked.layers, asked.width, None) for number in range(asked.sets)]
    found, alone = sum(EMPTY in one for one in planted), sum(one == {EMPTY} for one in planted)
    print(f"one column at {NORM} of the norm: named in {found}, and nothing else in {alone}")
    print(f"lengths of one wide law: something is named in {sum(map(bool, wide))}")


def named(seed: int, layers: int, width: int, norm: float | None) -> set[int]:
    """Coordinates that stand apart, with one column at `norm`; of columns with lengths of one wide law where that is None."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.ones(width)
    if norm is None:
        lengths = torch.rand(SHAPE, width, generator=generator).log().sum(0).neg()
    else:
        lengths[EMPTY] = norm
    tensors = {}
    for layer in range(layers):
        w = torch.randn(width, width, generator=generator).double()
        tensors[f"encoder.layer.{layer}.attention.self.value.weight"] = w * lengths
    with tempfile.TemporaryDirectory() as folder:
        save_file(tensors, Path(folder) / "model.safetensors")
        found = ll.outliers(ll.open_base(folder), "value", draws=10, seed=seed)
        return {one.coordinate for one in found.coordinates}


if __name__ == "__main__":
    main()
