import json
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import BertLike, random, write_base, write_config, write_tensors
from safetensors.torch import load_file

from lora_lens import conversion_similarity, demo_adapter, export_lora, load_adapter
from lora_lens.errors import AdapterError, BaseModelError
from lora_lens.updates import FromW0, made

X = ("linear_for_lora_x", "query.linear_for_lora_x")
ONE = 1e-5  # θ and W0 are stored in float32


def write_ours(
    folder: Path, shape: BertLike, convention: str, **config: object
) -> dict[str, torch.Tensor]:
    tensors = {
        f"{module}.theta_{factor}": random(shape.width, shape.rank, seed=40 + k)
        for k, (module, factor) in enumerate((m, f) for m in shape.modules for f in "AB")
    }
    write_tensors(
        folder, tensors | {"base_model.model.classifier.weight": random(2, shape.width, seed=9)}
    )
    modules = {m: [f"bert.{shape.path(k, m)}" for k in range(shape.layers)] for m in shape.modules}
    settings = {
        "peft_type": "CONDLORA",
        "convention": convention,
        "condlora_modules": modules,
        "r": shape.rank,
    }
    write_config(folder, base=str(folder.parent / "base"), **(settings | config))
    return tensors


def write_released(folder: Path, shape: BertLike, **config: object) -> dict[str, torch.Tensor]:
    """The released code's layout: no layer numbers, (r, in) each."""
    tensors = {
        f"{module}.linear_for_lora_{factor}": random(shape.rank, shape.width, seed=50 + k)
        for k, (module, factor) in enumerate((m, f) for m in shape.modules for f in "AB")
    }
    write_tensors(folder, tensors | {name: random(4, 24, seed=8) for name in X}, binary=True)
    settings = {"peft_type": "ConditionalLORA", "use_x": "none", "r": shape.rank}
    write_config(folder, base=str(folder.parent / "base"), **(settings | config))
    return tensors


@pytest.mark.parametrize("convention", ["stored", "consistent"])
def test_factors_are_the_papers_equations(tmp_path: Path, convention: str) -> None:
    shape = BertLike()
    write_base(tmp_path / "base", shape)
    theta = write_ours(tmp_path / "cond", shape, convention)
    adapter = load_adapter(tmp_path / "cond")
    assert (adapter.method, adapter.convention) == ("condlora", convention)
    assert adapter.trainable_parameters == 4 * 4 * 24
    assert list(adapter.left_out) == ["base_model.model.classifier.weight"]
    value = adapter.modules["value"]
    for layer in range(3):
        w0 = shape.base[f"{shape.path(layer, 'value')}.weight"].double()
        theta_a, theta_b = (theta[f"value.theta_{f}"].double() for f in "AB")
        a = theta_a.T @ w0 if convention == "consistent" else (w0 @ theta_a).T
        torch.testing.assert_close(value.a[layer], a)
        torch.testing.assert_close(value.b[layer], w0 @ theta_b)


@pytest.mark.parametrize("convention", ["stored", "consistent"])
def test_every_layer_is_alike_under_its_own_convention(tmp_path: Path, convention: str) -> None:
    shape = BertLike()
    write_base(tmp_path / "base", shape)
    write_ours(tmp_path / "cond", shape, convention)
    export_lora(tmp_path / "cond", tmp_path / "plain")
    said = json.loads((tmp_path / "plain" / "adapter_config.json").read_text())
    assert not {"condlora_modules", "convention"} & set(said)
    for folder in ("cond", "plain"):
        adapter = load_adapter(tmp_path / folder, tmp_path / "base")
        for module in ("query", "value"):
            result = conversion_similarity(adapter, module, convention=convention, draws=0)
            for grid in result.values():
                np.testing.assert_allclose(grid.values, 1, atol=ONE)
    other = "stored" if convention == "consistent" else "consistent"
    result = conversion_similarity(
        load_adapter(tmp_path / "cond"), "value", convention=other, draws=0
    )
    assert result["A"].mean < 0.9
    assert "trained under the convention" in result.notes[0]


def test_released_checkpoints_load_and_export(tmp_path: Path) -> None:
    shape = BertLike()
    write_base(tmp_path / "base", shape)
    theta = write_released(tmp_path / "released", shape)
    adapter = load_adapter(tmp_path / "released")
    assert adapter.convention == "stored"
    assert all("input-dependent" in adapter.left_out[name] for name in X)
    value = adapter.modules["value"]
    assert value.layers == (0, 1, 2)
    w0 = shape.base[f"{shape.path(1, 'value')}.weight"].double()
    torch.testing.assert_close(value.a[1], (w0 @ theta["value.linear_for_lora_A"].double().T).T)
    torch.testing.assert_close(value.b[1], w0 @ theta["value.linear_for_lora_B"].double().T)
    for grid in conversion_similarity(adapter, "value", draws=0).values():
        np.testing.assert_allclose(grid.values, 1, atol=ONE)
    export_lora(tmp_path / "released", tmp_path / "plain")
    plain = load_adapter(tmp_path / "plain").modules["value"]
    torch.testing.assert_close(plain.a.double(), value.a, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("moved", [True, False])
def test_an_export_names_the_base_that_its_factors_are_made_of(tmp_path: Path, moved: bool) -> None:
    """The same at another place, or another; and the adapter's own where none is given."""
    write_base(tmp_path / "base", BertLike())
    write_ours(tmp_path / "cond", BertLike(), "consistent", revision="v1")
    if moved:
        (tmp_path / "base").rename(tmp_path / "other")
    else:
        write_base(tmp_path / "other", BertLike())
    export_lora(tmp_path / "cond", tmp_path / "plain", tmp_path / "other")
    assert _named_base(tmp_path / "plain") == (str(tmp_path / "other"), None)
    if not moved:
        export_lora(tmp_path / "cond", tmp_path / "own")
        assert _named_base(tmp_path / "own") == (str(tmp_path / "base"), "v1")


def test_an_export_names_the_revision_of_a_hub_id(tmp_path: Path) -> None:
    demo = load_adapter(demo_adapter("condlora")).base_model
    commit = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
    export_lora(demo_adapter("condlora"), tmp_path / "plain", f"{demo}@{commit}")
    assert _named_base(tmp_path / "plain") == (demo, commit)


def _named_base(folder: Path) -> tuple[str, str | None]:
    said = json.loads((folder / "adapter_config.json").read_text())
    return said["base_model_name_or_path"], said["revision"]


def test_layers_to_transform_is_kept(tmp_path: Path) -> None:
    shape = BertLike()
    write_base(tmp_path / "base", shape)
    write_released(tmp_path / "released", shape, layers_to_transform=[0, 2])
    assert load_adapter(tmp_path / "released").modules["value"].layers == (0, 2)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"convention": "sideways"}, "convention"),
        ({"condlora_modules": {}}, "condlora_modules does not list"),
        ({"condlora_modules": {"query": "a", "value": "b"}}, "condlora_modules does not list"),
        ({"use_dora": True}, "use_dora"),
        ({"r": 3}, "says 3"),
        ({"base_model_name_or_path": None}, "pass --base"),
    ],
)
def test_incomplete_configurations_are_an_error(
    tmp_path: Path, config: dict[str, object], message: str
) -> None:
    shape = BertLike()
    write_base(tmp_path / "base", shape)
    write_ours(tmp_path / "cond", shape, "consistent")
    if "base_model_name_or_path" in config:
        file = tmp_path / "cond" / "adapter_config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | config))
    else:
        write_ours(tmp_path / "cond", shape, **({"convention": "consistent"} | config))
    with pytest.raises(AdapterError, match=message):
        load_adapter(tmp_path / "cond")


LAMBDA = "bert.encoder.layer.1.attention.self.value.lambda"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"value.theta_B": torch.ones(24, 1)}, "θ_A of value has rank 4 and θ_B 1"),
        ({LAMBDA: None}, "has no Λ of bert.encoder.layer.1.attention.self.value"),
        ({LAMBDA: torch.ones(1, 1)}, r"\(1, 1\), expected \(4, 1\)"),
        ({LAMBDA: torch.ones(4, 1, dtype=torch.int32)}, "holds torch.int32, expected floats"),
        ({LAMBDA: torch.full((4, 1), np.nan)}, "holds NaN"),
    ],
)  # fmt: skip
def test_entries_that_torch_would_spread_or_take_for_numbers_are_refused(
    tmp_path: Path, changed: dict[str, torch.Tensor | None], message: str
) -> None:
    shape = BertLike()
    write_base(tmp_path / "base", shape)
    config = {"peft_type": "CONDADALORA", "condadalora_version": 1}
    tensors = write_ours(tmp_path / "cond", shape, "consistent", **config)
    for path in (shape.path(k, m) for m in shape.modules for k in range(shape.layers)):
        tensors[f"bert.{path}.lambda"] = random(4, 1, seed=3)
    tensors["bert.encoder.layer.0.attention.self.value.lambda"].zero_()
    write_tensors(tmp_path / "cond", tensors)
    adapter = load_adapter(tmp_path / "cond")
    assert (adapter.method, adapter.modules["value"].layers) == ("condadalora", (1, 2))
    (why,) = adapter.left_out.values()
    assert "the budget has left this layer nothing" in why
    damaged = {name: one for name, one in (tensors | changed).items() if one is not None}
    write_tensors(tmp_path / "cond", damaged)
    with pytest.raises(AdapterError, match=message):
        load_adapter(tmp_path / "cond")


@pytest.mark.parametrize(
    ("theta_a", "message"),
    [
        (torch.ones(3, 2), "W0 of query is 4x3; 'stored' needs it square"),
        (torch.ones(3, 2, dtype=torch.int64), "θ of query holds torch.int64, expected floats"),
        (torch.ones(4, 2), "has 4 and 3 rows, but W0 is 4x3"),
    ],
)  # fmt: skip
def test_theta_that_makes_no_factors_of_w0(theta_a: torch.Tensor, message: str) -> None:
    update = FromW0(made("θ_A", theta_a), made("θ_B", torch.ones(3, 2)), 1.0, "stored", ())
    with pytest.raises(AdapterError, match=message):
        update.of(torch.ones(4, 3), "query")


def test_input_dependent_experiment_is_refused(tmp_path: Path) -> None:
    shape = BertLike()
    write_base(tmp_path / "base", shape)
    write_released(tmp_path / "released", shape, use_x="type1")
    with pytest.raises(AdapterError, match="use_x"):
        load_adapter(tmp_path / "released")


@pytest.mark.parametrize(
    ("task", "stored", "written"), [("SEQ_CLS", "", "bert."), ("SEQ_CLS", "bert.", "bert."), (None, "", "")]
)  # fmt: skip
def test_export_of_a_released_checkpoint_names_layers_as_a_model_with_a_head_does(
    tmp_path: Path, task: str | None, stored: str, written: str
) -> None:
    shape = BertLike()
    write_base(tmp_path / "base", shape)
    named = {f"{stored}{name}": tensor for name, tensor in shape.base.items()}
    write_base(tmp_path / "base", shape, named)
    write_released(tmp_path / "released", shape, task_type=task)
    export_lora(tmp_path / "released", tmp_path / "plain")
    names = load_file(tmp_path / "plain" / "adapter_model.safetensors")
    assert f"base_model.model.{written}{shape.path(0, 'value')}.lora_A.weight" in names
    config = json.loads((tmp_path / "plain" / "adapter_config.json").read_text())
    assert "use_x" not in config


def test_a_released_checkpoint_that_says_dora_is_refused(tmp_path: Path) -> None:
    shape = BertLike()
    write_base(tmp_path / "base", shape)
    write_released(tmp_path / "released", shape, use_dora=True)
    with pytest.raises(AdapterError, match="use_dora"):
        load_adapter(tmp_path / "released")


@pytest.mark.parametrize("damage", ["nan", "rank"])
def test_export_checks_what_it_writes(tmp_path: Path, damage: str) -> None:
    shape = BertLike()
    write_base(tmp_path / "base", shape)
    tensors = write_ours(tmp_path / "cond", shape, "consistent")
    theta = tensors["value.theta_B"]
    tensors["value.theta_B"] = (
        theta * float("nan") if damage == "nan" else theta[:, :2].contiguous()
    )
    write_tensors(tmp_path / "cond", tensors)
    with pytest.raises(AdapterError):
        export_lora(tmp_path / "cond", tmp_path / "plain")
    assert not (tmp_path / "plain").exists()


def test_another_base_is_an_error(tmp_path: Path) -> None:
    shape = BertLike()
    write_base(tmp_path / "base", shape)
    write_ours(tmp_path / "cond", shape, "consistent")
    write_base(tmp_path / "wide", BertLike(width=32))
    with pytest.raises(AdapterError, match="not its base model"):
        load_adapter(tmp_path / "cond", tmp_path / "wide")
    with pytest.raises(BaseModelError, match="is no folder"):
        load_adapter(tmp_path / "cond", tmp_path / "nowhere")


def test_export_refuses_plain_lora_and_never_overwrites(tmp_path: Path) -> None:
    shape = BertLike()
    write_base(tmp_path / "base", shape)
    write_ours(tmp_path / "cond", shape, "consistent")
    export_lora(tmp_path / "cond", tmp_path / "plain")
    with pytest.raises(AdapterError, match="has no θ to make factors of"):
        export_lora(tmp_path / "plain", tmp_path / "again")
    with pytest.raises(AdapterError, match="already holds"):
        export_lora(tmp_path / "cond", tmp_path / "plain")
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize(
    ("settings", "why"), [({"use_dora": True}, "DoRA"), ({"init_lora_weights": "pissa"}, "pissa")]
)
def test_gparts_settings_are_looked_at_as_all_others(
    tmp_path: Path, settings: dict[str, object], why: str
) -> None:
    shape = BertLike()
    write_base(tmp_path / "base", shape)
    name = "base_model.model.{}.cond_lora_{}.weight"
    tensors = {
        name.format(shape.path(k, "query"), factor): random(shape.rank, shape.width, seed=60 + n)
        for k in range(shape.layers)
        for n, factor in enumerate("AB")
    }
    write_tensors(tmp_path / "cond", tensors)
    config = {"peft_type": "CONDLORA", "r": shape.rank, "lora_alpha": shape.rank}
    write_config(tmp_path / "cond", base=str(tmp_path / "base"), **config)
    assert load_adapter(tmp_path / "cond").method == "condlora"
    write_config(tmp_path / "cond", base=str(tmp_path / "base"), **(config | settings))
    with pytest.raises(AdapterError, match=why):
        load_adapter(tmp_path / "cond")
