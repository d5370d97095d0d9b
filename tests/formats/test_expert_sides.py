"""Which side A of a stack of experts has: AutoModel's files, and what is said where nothing tells."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from made_formats import deltas
from safetensors.torch import save_file
from torch import Tensor

from lora_lens import inspect, load_adapter
from lora_lens.errors import AdapterError

EXPERTS, RANK, WIDTH, INNER = 4, 3, 16, 12


def automodels(
    folder: Path, inner: int, *, layout: str = "peft-0.19.1", said: str | None = None
) -> dict[str, Tensor]:
    """Stacks without a gate, Nemotron's, as its state_dict_mixin lays them out, and ΔW of each expert; no version of PEFT."""
    generator = torch.Generator().manual_seed(0)
    path, tensors, expected = "model.layers.0.mixer.experts", {}, {}
    for name, around, columns, rows in (
        ("down_proj", "", inner, WIDTH),
        ("up_proj", "base_layer.", WIDTH, inner),
    ):
        a = torch.randn(EXPERTS, columns, RANK, generator=generator)
        b = torch.randn(EXPERTS, RANK, rows, generator=generator)
        below, above = (a, b) if layout == "peft-0.19.1" else (b.mT, a.mT)
        tensors[f"base_model.model.{path}.{around}lora_A.weight"] = below.mT.flatten(0, 1)
        tensors[f"base_model.model.{path}.{around}lora_B.weight"] = above.permute(2, 1, 0).flatten(
            1
        )
        for k in range(EXPERTS):
            expected[f"{path}.{k}.{name}"] = 2 * (a[k].double() @ b[k].double()).T
    folder.mkdir(parents=True)
    save_file(
        {name: one.contiguous() for name, one in tensors.items()},
        folder / "adapter_model.safetensors",
    )
    config = {
        "peft_type": "LORA", "r": RANK, "lora_alpha": 2 * RANK, "target_modules": [],
        "target_parameters": ["mixer.experts.up_proj", "mixer.experts.down_proj"],
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config))
    stamp = {} if said is None else {"paramwrapper_layout": said}
    (folder / "automodel_peft_config.json").write_text(
        json.dumps({"moe_rank_scaling": False} | stamp)
    )
    return expected


def nemotron(folder: Path, **settings: Any) -> Path:
    folder.mkdir()
    config = {"model_type": "nemotron_h", "hidden_size": WIDTH} | settings
    (folder / "config.json").write_text(json.dumps(config))
    save_file({"x": torch.ones(1)}, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize("layout", ["peft-0.19.1", "peft-0.18"])
@pytest.mark.parametrize("inner", [INNER, WIDTH])
def test_the_side_of_automodels_stacks_is_what_it_says(
    tmp_path: Path, layout: str, inner: int
) -> None:
    folder, base = tmp_path / "lora", nemotron(tmp_path / "base")
    expected = automodels(folder, inner, layout=layout, said=layout)
    for given in (base, None):
        found = deltas(load_adapter(folder, given))
        assert found.keys() == expected.keys()
        for path, delta in found.items():
            torch.testing.assert_close(delta, expected[path], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layout", ["peft-0.19.1", "peft-0.18"])
def test_the_side_of_stacks_of_no_version_is_what_the_base_is_as_wide_as(
    tmp_path: Path, layout: str
) -> None:
    folder, base = tmp_path / "lora", nemotron(tmp_path / "base")
    expected = automodels(folder, INNER, layout=layout)
    for _ in range(
        2
    ):  # as AutoModel wrote it before it said the layout; then by whoever else writes no version
        for path, delta in deltas(load_adapter(folder, base)).items():
            torch.testing.assert_close(delta, expected[path], rtol=1e-5, atol=1e-6)
        (folder / "automodel_peft_config.json").unlink(missing_ok=True)
    latent = nemotron(tmp_path / "latent", moe_latent_size=WIDTH, hidden_size=INNER)
    for path, delta in deltas(load_adapter(folder, latent)).items():
        torch.testing.assert_close(delta, expected[path], rtol=1e-5, atol=1e-6)


def test_automodels_stacks_whose_side_nothing_tells_are_refused(tmp_path: Path) -> None:
    folder, base = tmp_path / "lora", nemotron(tmp_path / "base")
    automodels(folder, WIDTH)
    for given in (base, None):
        with pytest.raises(
            AdapterError, match=r"AutoModel that does not say .* paramwrapper_layout"
        ):
            load_adapter(folder, given)


def test_what_peft_names_its_version_in_is_not_automodels(tmp_path: Path) -> None:
    """Whose file may have been left in the folder by another adapter."""
    folder, base = (
        tmp_path / "lora",
        nemotron(tmp_path / "base", vision_config={"hidden_size": [5, 6]}),
    )
    expected = automodels(folder, INNER, said="peft-0.18")
    place = folder / "adapter_config.json"
    config = json.loads(place.read_text())
    for given in (base, None):
        place.write_text(json.dumps(config | {"peft_version": "0.19.1"}))
        for path, delta in deltas(load_adapter(folder, given)).items():
            torch.testing.assert_close(delta, expected[path], rtol=1e-5, atol=1e-6)
    place.write_text(json.dumps(config | {"peft_version": "0.18.1"}))
    with pytest.raises(AdapterError, match=r"saved by PEFT 0\.18\.1, which gave A the first axis"):
        load_adapter(folder)
    place.write_text(json.dumps(config))
    for path, delta in deltas(
        load_adapter(folder, base)
    ).items():  # the widths say what it does not
        torch.testing.assert_close(delta, expected[path], rtol=1e-5, atol=1e-6)


def of_one_stack(folder: Path, inner: int, version: str) -> Path:
    """``down_proj`` alone, as a PEFT of this version saves it."""
    folder.mkdir()
    name = "base_model.model.model.layers.0.mlp.experts.lora_{}.weight"
    shapes = {"A": (EXPERTS * RANK, inner), "B": (WIDTH, EXPERTS * RANK)}
    save_file(
        {name.format(letter): torch.ones(shape) for letter, shape in shapes.items()},
        folder / "adapter_model.safetensors",
    )
    config = {
        "peft_type": "LORA", "r": RANK, "lora_alpha": RANK, "target_modules": [], "peft_version": version,
        "target_parameters": ["mlp.experts.down_proj"],
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def unsaid(folder: Path, base: Path | None) -> list[str]:
    adapter = load_adapter(folder, base)
    said = [one for one in adapter.caveats if "which side A of a stack" in one]
    assert set(said) <= set(inspect(adapter).notes)
    return said


@pytest.mark.parametrize(
    ("version", "inner", "kind", "said"),
    [
        ("0.21.2", WIDTH, None, "which --base would tell"),
        ("0.21.2", INNER, None, "which --base would tell"),
        ("0.21.2", WIDTH, "", "that of a base whose axes no transformers has changed;"),
        ("0.21.2", WIDTH, "mixtral", None),
        # Square, so that no width tells, and of another class in another transformers.
        ("0.21.2", WIDTH, "gpt_oss", "as transformers 5 has it of gpt_oss, and transformers 4 has not"),
        ("0.21.2", INNER, "gpt_oss", None),
        ("0.21.2", WIDTH, "llama4", None),  # whose class says it in neither
        ("0.18.1", WIDTH, "gpt_oss", None),  # the first axis, which is the input's in both
        # A later PEFT leaves the version in a file that it saves again.
        ("0.18.1", WIDTH, "mixtral", "as PEFT 0.18.1 has it, a version that a later PEFT leaves"),
        ("0.18.1", INNER, "mixtral", None),
        ("0.18.1", WIDTH, "qwen3_vl_moe", "as PEFT 0.18.1 over transformers 5 has it"),
    ],
)  # fmt: skip
def test_a_side_that_nothing_tells_is_said(
    tmp_path: Path, version: str, inner: int, kind: str | None, said: str | None
) -> None:
    folder = of_one_stack(tmp_path / "lora", inner, version)
    base = nemotron(tmp_path / "base", model_type=kind) if kind is not None else None
    found = unsaid(folder, base)
    assert len(found) == (said is not None)
    assert said is None or (said in found[0] and "1 module" in found[0])


def test_a_square_side_of_no_version_is_said(tmp_path: Path) -> None:
    base = nemotron(tmp_path / "base")
    for inner, count in ((WIDTH, 1), (INNER, 0)):
        folder = tmp_path / str(inner)
        automodels(folder, inner)
        (folder / "automodel_peft_config.json").unlink()
        found = unsaid(folder, base)
        assert len(found) == count
        assert not found or "of 2 modules: it is taken as PEFT 0.17 has it" in found[0]
