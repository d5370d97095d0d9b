"""AdaLoRA in half precision: E·A is made as PEFT makes it, in float32."""

from pathlib import Path

import pytest
import torch
from checkpoints import random, write_config, write_tensors

from lora_lens import load_adapter


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])
@pytest.mark.parametrize("size", [1e-2, 1e-4])
def test_delta_is_that_of_the_numbers_as_stored(
    tmp_path: Path, dtype: torch.dtype, size: float
) -> None:
    """In float16 the product would underflow, 1.3 % of ΔW at E of 1e-4; in bfloat16 it would be rounded."""
    a, b = (0.02 * random(*shape, seed=k) for k, shape in enumerate(((8, 64), (64, 8))))
    stored = {"A": a, "E": size * random(8, 1, seed=2), "B": b}
    stored = {key: one.to(dtype) for key, one in stored.items()}
    write_tensors(
        tmp_path,
        {f"base_model.model.layers.0.q_proj.lora_{key}": one for key, one in stored.items()},
    )
    write_config(tmp_path, base=None, peft_type="ADALORA", r=8, init_r=8, lora_alpha=8)
    found = load_adapter(tmp_path).modules["q_proj"]
    delta = found.scaling[0] * found.b[0].double() @ found.a[0].double()
    exact = {key: one.double() for key, one in stored.items()}
    expected = 8 / (8 + 1e-5) * exact["B"] @ (exact["E"] * exact["A"])
    assert (delta - expected).norm() <= 1e-6 * expected.norm()
