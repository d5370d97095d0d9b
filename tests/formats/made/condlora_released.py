"""Adapters in the layout of the authors' released code, with ΔW by its equations, W0 as stored."""

from collections.abc import Callable, Mapping
from pathlib import Path

from checkpoints import BertLike, random, write_base, write_config, write_tensors
from torch import Tensor


def written(folder: Path) -> Mapping[str, Tensor]:
    shape = BertLike()
    write_base(folder / "base", shape)
    tensors = {
        f"{module}.linear_for_lora_{letter}": random(shape.rank, shape.width, seed=50 + k)
        for k, (module, letter) in enumerate((m, f) for m in shape.modules for f in "AB")
    }
    more = {
        "linear_for_lora_x": random(4, 24, seed=8),
        "base_model.model.classifier.weight": random(2, 24, seed=9),
    }
    write_tensors(folder / "adapter", tensors | more, binary=True)
    write_config(
        folder / "adapter", base=str(folder / "base"), peft_type="ConditionalLORA", use_x="none",
        r=shape.rank, task_type="SEQ_CLS",
    )  # fmt: skip
    found = {}
    for module in shape.modules:
        a, b = (tensors[f"{module}.linear_for_lora_{letter}"].double() for letter in "AB")
        for layer in range(shape.layers):
            w0 = shape.base[f"{shape.path(layer, module)}.weight"].double()
            found[f"bert.{shape.path(layer, module)}"] = 2 * (w0 @ b.T) @ (w0 @ a.T).T
    return found


CASES: Mapping[str, Callable[[Path], Mapping[str, Tensor]]] = {"bin": written}
