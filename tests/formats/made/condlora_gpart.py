"""Adapters in the layout of GPart's fork of PEFT, with ΔW by its equations, W0 as stored."""

from collections.abc import Callable, Mapping
from pathlib import Path

from checkpoints import BertLike, random, write_base, write_config, write_tensors
from torch import Tensor


def written(folder: Path) -> Mapping[str, Tensor]:
    shape = BertLike()
    write_base(folder / "base", shape)
    tensors, found = {"base_model.model.classifier.weight": random(2, 24, seed=9)}, {}
    for k, module in enumerate(shape.modules):
        a, b = (random(shape.rank, shape.width, seed=60 + 2 * k + side) for side in (0, 1))
        for letter, theta in (("A", a), ("B", b)):
            tensors[f"base_model.cond_lora_shared.default.{module}.{letter}.weight"] = theta
            for layer in range(shape.layers):
                name = (
                    f"base_model.model.bert.{shape.path(layer, module)}.cond_lora_{letter}.weight"
                )
                tensors[name] = theta.clone()
        for layer in range(shape.layers):
            w0 = shape.base[f"{shape.path(layer, module)}.weight"].double()
            lora_a, lora_b = w0 @ a.double().T, w0 @ b.double().T
            found[f"bert.{shape.path(layer, module)}"] = 2 * lora_b @ lora_a.T
    write_tensors(folder / "adapter", tensors)
    write_config(
        folder / "adapter", base=str(folder / "base"), peft_type="CONDLORA", use_x="none",
        lora_x_scaling=0.0, r=shape.rank, fan_in_fan_out=False,
    )  # fmt: skip
    return found


CASES: Mapping[str, Callable[[Path], Mapping[str, Tensor]]] = {"safetensors": written}
