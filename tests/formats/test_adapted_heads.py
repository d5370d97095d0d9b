"""A head that was adapted, copied and trained in full, as earlier versions of PEFT save it: its factors stand three times in the file."""

import json
from pathlib import Path

import pytest
import torch
from checkpoints import random
from safetensors.torch import load_file, save_file
from torch import Tensor

from lora_lens import load_adapter
from lora_lens.errors import AdapterError

CONFIG = {"peft_type": "LORA", "r": 2, "lora_alpha": 6, "task_type": "SEQ_CLS"}
QUERY = "base_model.model.encoder.layer.{}.attention.self.query"


def write(folder: Path, copies: dict[str, tuple[Tensor, Tensor]], ending: str = ".dense") -> Path:
    """Two layers' query and a head, of which `copies` has the factors by what stands before the layer's own name."""
    tensors = {}
    for layer in (0, 1):
        path = QUERY.format(layer)
        tensors[f"{path}.lora_A.weight"] = random(2, 8, seed=layer)
        tensors[f"{path}.lora_B.weight"] = random(8, 2, seed=10 + layer)
    for held, (a, b) in copies.items():
        path = f"base_model.model.classifier{held}{ending}"
        tensors[f"{path}.lora_A.weight"], tensors[f"{path}.lora_B.weight"] = a.clone(), b.clone()
    tensors[f"base_model.model.classifier{ending}.base_layer.weight"] = random(8, 8, seed=5)
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps(CONFIG))
    return folder


def factors(seed: int) -> tuple[Tensor, Tensor]:
    return random(2, 8, seed=seed), random(8, 2, seed=seed + 1)


UNTRAINED = (random(2, 8, seed=30), torch.zeros(8, 2))


@pytest.mark.parametrize("ending", [".dense", ""])
def test_the_trained_copy_is_read_once(tmp_path: Path, ending: str) -> None:
    names, trained = ["", ".modules_to_save", ".original_module"], factors(20)
    copies = {held: UNTRAINED if "original" in held else trained for held in names}
    adapter = load_adapter(write(tmp_path / "adapter", copies, ending))
    head = [one for one in adapter.each_layer() if one.layer is None]
    assert [one.name for one in head] == [f"classifier{ending}"]
    a, b = (torch.as_tensor(factor) for factor in head[0].read())
    assert torch.equal(a, trained[0])
    assert torch.equal(b, trained[1])
    assert head[0].scaling == 3
    assert adapter.trainable_parameters == 3 * 32
    left = {name: why for name, why in adapter.left_out.items() if "lora_" in name}
    assert len(left) == 2 * len(names) - 2
    for name, why in left.items():
        assert (
            "untouched original" if "original" in name else "of a copy that stands beside"
        ) in why


@pytest.mark.parametrize(
    "names",
    [
        [".modules_to_save"],
        [".modules_to_save", ".original_module"],
        [".modules_to_save.default", ".modules_to_save.other"],
    ],
)
def test_without_the_layers_own_all_are_shown(tmp_path: Path, names: list[str]) -> None:
    copies = {held: factors(20 + k) for k, held in enumerate(names)}
    adapter = load_adapter(write(tmp_path / "adapter", copies))
    head = [one.name for one in adapter.each_layer() if one.layer is None]
    assert head == [f"classifier{held}.dense" for held in names]


def test_the_weight_that_was_trained_too_is_said(tmp_path: Path) -> None:
    copies = {"": factors(20), ".modules_to_save": factors(20), ".original_module": UNTRAINED}
    folder = write(tmp_path / "adapter", copies)
    adapter = load_adapter(folder)
    said = (
        "trained in full beside its factors: classifier.dense. The ΔW that is shown of it is s·B·A"
    )
    assert any(said in one for one in adapter.caveats)
    why = adapter.left_out["base_model.model.classifier.dense.base_layer.weight"]
    assert why.startswith("trained in full (modules_to_save) beside its factors")


def test_magnitudes_of_the_copies_are_left_out(tmp_path: Path) -> None:
    copies = {"": factors(20), ".modules_to_save": factors(20), ".original_module": UNTRAINED}
    folder = write(tmp_path / "adapter", copies)
    file = folder / "adapter_model.safetensors"
    tensors = load_file(file)
    for name in [name for name in tensors if name.endswith(".lora_A.weight")]:
        path = name.removesuffix(".lora_A.weight")
        tensors[f"{path}.lora_magnitude_vector"] = torch.ones(8)
    save_file(tensors, file)
    (folder / "adapter_config.json").write_text(json.dumps({**CONFIG, "use_dora": True}))
    adapter = load_adapter(folder)
    left = [name for name in adapter.left_out if name.endswith("magnitude_vector")]
    assert [name.split(".")[3] for name in left] == ["modules_to_save", "original_module"]


def test_a_base_layer_that_was_saved_and_not_trained_is_frozen(tmp_path: Path) -> None:
    folder = write(tmp_path / "adapter", {"": factors(20)})
    (folder / "adapter_config.json").write_text(json.dumps({**CONFIG, "task_type": "CAUSAL_LM"}))
    adapter = load_adapter(folder)
    assert not any("beside its factors" in one for one in adapter.caveats)
    assert "the frozen base layer itself" in adapter.left_out.values()


def test_two_pairs_that_differ_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "adapter", {"": factors(20), ".modules_to_save": factors(40)})
    with pytest.raises(
        AdapterError, match=r"is not .* again, as PEFT saves a factor of classifier"
    ):
        load_adapter(folder)
