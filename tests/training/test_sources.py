"""CondLoRA whose factors are made of something else than each layer's W0."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from tiny_models import CONVENTIONS, KINDS, thetas
from torch import nn

from lora_lens import export_lora, inspect, load_adapter, shared_subspace
from lora_lens.errors import AdapterError, SettingsError
from lora_lens.sources import SOURCES, StandIn, gaussian, stand_ins
from lora_lens.training.condlora import (
    CondAdaLoraConfig,
    CondLoraConfig,
    get_condlora_model,
    load_condlora_model,
    load_theta,
    target_groups,
)
from lora_lens.training.settings import RunSettings

BERT = KINDS["bert"]
CONTROLS = [source for source in SOURCES if source != "w0"]
every_control = pytest.mark.parametrize("source", CONTROLS)
both_conventions = pytest.mark.parametrize("convention", CONVENTIONS)


def made_of(source: str, module: str, stored: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """Second route: what stands for W0, layer by layer, by the words of the documentation."""
    w0 = [tensor for name, tensor in stored.items() if name.endswith(f"{module}.weight")]
    if source == "shuffled":
        return [*w0[1:], w0[0]]
    if source == "identity":
        return [torch.eye(*one.shape, dtype=torch.float64) for one in w0]
    found = []
    for layer, one in enumerate(w0):
        words = f"lora-lens gaussian 1/{module}/{layer}".encode()
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence(list(words))))
        drawn = torch.from_numpy(rng.standard_normal(tuple(one.shape)))
        found.append(drawn * one.norm() / drawn.norm())
    return found


@every_control
@both_conventions
def test_logits_and_gradients_equal_plain_autograd_in_float64(source: str, convention: str) -> None:
    model = BERT.wrapped(convention, source=source).double()
    plain = BERT.make().double().eval()
    for name, parameter in model.get_base_model().named_parameters():
        if "modules_to_save" in name:
            plain.get_parameter(name.replace("modules_to_save.default.", "")).data.copy_(parameter)
    weights, theta = dict(plain.named_parameters()), thetas(model)
    changed = {}
    for module, layers in target_groups(model, "default").items():
        theta_a, theta_b = theta[f"{module}.A"], theta[f"{module}.B"]
        standing = made_of(
            source, module, {path + ".weight": weights[path + ".weight"] for path in layers}
        )
        for (path, layer), s in zip(layers.items(), standing, strict=True):
            a = theta_a.T @ s if convention == "consistent" else (s @ theta_a).T
            w0 = weights[f"{path}.weight"]
            changed[f"{path}.weight"] = w0 + layer.scaling["default"] * (s @ theta_b) @ a
    expected = torch.func.functional_call(plain, changed, kwargs=BERT.inputs())
    theirs = torch.autograd.grad(expected.loss, list(theta.values()))
    got = model(**BERT.inputs())
    mine = torch.autograd.grad(got.loss, list(theta.values()))
    close = 1e-6 if source == "gaussian" else 1e-11  # Gaussian matrices are float32
    torch.testing.assert_close(got.logits, expected.logits, atol=close, rtol=close)
    assert (got.logits - BERT.logits(plain)).abs().max() > 0.01
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=close, rtol=1e4 * close)


@every_control
def test_a_layer_that_stores_w0_turned_has_the_same_factors(source: str) -> None:
    """GPT-2's Conv1D, (in, out), where W0 is rectangular."""
    model = KINDS["gpt2"].wrapped(source=source, target_modules=["c_fc"])
    (layers,) = target_groups(model, "default").values()
    turned = {
        f"{path}.c_fc.weight": layer.get_base_layer().weight.detach().T.double()
        for path, layer in layers.items()
    }
    theta = thetas(model)
    for layer, s in zip(layers.values(), made_of(source, "c_fc", turned), strict=True):
        for factor, made in (
            ("A", theta["c_fc.A"].T.double() @ s),
            ("B", s @ theta["c_fc.B"].double()),
        ):
            got = getattr(layer, f"lora_{factor}")["default"].weight
            torch.testing.assert_close(got.double(), made, atol=1e-5, rtol=1e-5)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    BERT.make().save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def saved(base: Path, source: str, convention: str = "consistent") -> tuple[PeftModel, Path]:
    model = BERT.wrapped(convention, source=source)
    model.peft_config["default"].base_model_name_or_path = str(base)
    model.save_pretrained(str(base.parent / source))
    return model, base.parent / source


def factors(model: PeftModel) -> dict[str, torch.Tensor]:
    return {
        f"{path}.{factor}": getattr(layer, f"lora_{factor}")["default"].weight.detach()
        for layers in target_groups(model, "default").values()
        for path, layer in layers.items()
        for factor in "AB"
    }


@every_control
@both_conventions
def test_a_saved_control_is_read_back_to_the_same_bytes_and_exported_exactly(
    source: str, convention: str, base: Path
) -> None:
    model, folder = saved(base, source, convention)
    again = load_condlora_model(BERT.make(), folder)
    for one, other in zip(factors(model).values(), factors(again).values(), strict=True):
        assert one.numpy().tobytes() == other.numpy().tobytes()
    again.save_pretrained(str(base.parent / "again"))
    name = "adapter_model.safetensors"
    assert (base.parent / "again" / name).read_bytes() == (folder / name).read_bytes()
    was, now = (
        json.loads((one / "adapter_config.json").read_text())
        for one in (folder, base.parent / "again")
    )
    assert {key: now[key] for key in was if key != "modules_to_save"} == {
        key: was[key]
        for key in was
        if key != "modules_to_save"  # PEFT's, which grows
    }
    assert set(load_file(folder / "adapter_model.safetensors")) == {
        *(f"{module}.theta_{f}" for module in target_groups(model, "default") for f in "AB"),
        "base_model.model.classifier.weight",
        "base_model.model.classifier.bias",
    }
    plain = PeftModel.from_pretrained(
        BERT.make(), export_lora(folder, base.parent / "plain")
    ).eval()
    torch.testing.assert_close(BERT.logits(plain), BERT.logits(model), atol=1e-5, rtol=0)
    exported = json.loads((base.parent / "plain" / "adapter_config.json").read_text())
    assert not [key for key in exported if key == "source" or key.startswith("condlora")]


@every_control
def test_merging_changes_no_factor_of_another_layer(source: str, base: Path) -> None:
    model = BERT.wrapped(source=source).double()
    expected = BERT.logits(model)
    model.merge_adapter()
    torch.testing.assert_close(BERT.logits(model), expected, atol=1e-12, rtol=1e-10)
    model.unmerge_adapter()
    torch.testing.assert_close(BERT.logits(model), expected, atol=1e-12, rtol=1e-10)


@every_control
def test_the_same_parameters_are_trained_whatever_the_source(source: str) -> None:
    counts = [BERT.wrapped(source=one).get_nb_trainable_parameters()[0] for one in ("w0", source)]
    assert counts[0] == counts[1]


def test_of_the_identity_all_layers_have_one_a_and_one_b() -> None:
    model = BERT.wrapped(source="identity", target_modules=["query"])
    (layers,) = target_groups(model, "default").values()
    theta = thetas(model)
    for layer in layers.values():
        assert torch.equal(layer.lora_A["default"].weight, theta["query.A"].T)
        assert torch.equal(layer.lora_B["default"].weight, theta["query.B"])


def test_a_gaussian_matrix_has_w0s_norm_and_depends_on_module_and_layer() -> None:
    w0 = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)) * 3
    made = StandIn("gaussian", "0.value", ("value", 0)).of(w0)
    assert made.dtype == torch.float32
    torch.testing.assert_close(made.norm(), w0.norm())
    others = [gaussian(key, (6, 4)) for key in (("value", 0), ("value", 1), ("query", 0))]
    assert len({one.tobytes() for one in others}) == 3
    # A matrix that is drawn once is drawn for good: a file says which by its version.
    assert gaussian(("value", 0), (1, 2)).ravel().tolist() == pytest.approx(DRAWN, abs=1e-7)


DRAWN = [-0.02029380574822426, 0.7419970035552979]


@every_control
def test_inspect_and_every_answer_say_the_source(source: str, base: Path) -> None:
    adapter = load_adapter(saved(base, source)[1])
    assert adapter.made_of == source
    found = inspect(adapter)
    assert found.numbers()["source"] == source
    assert any(f"source {source}" in note for note in found.notes)
    own = load_adapter(saved(base, "w0")[1])
    assert own.made_of == "w0"
    assert "source" not in inspect(own).numbers()


@every_control
@both_conventions
def test_what_stood_for_w0_yields_every_factor_and_w0_does_not(
    source: str, convention: str, base: Path
) -> None:
    adapter = load_adapter(saved(base, source, convention)[1])
    through_source = shared_subspace(adapter, "query", draws=0, through="source")
    through_w0 = shared_subspace(adapter, "query", draws=0)
    for matrix in "AB":
        assert through_source[matrix].predicted.share.min() > 1 - 1e-6
        assert through_w0[matrix].predicted.share.mean() < 0.5
    assert through_source.numbers()["through"] == "source"
    assert "through" not in through_w0.numbers()
    assert any("1 by construction" in note for note in through_source.notes)
    assert through_source.stem == "shared-source-query"


def test_nothing_stood_for_w0_of_plain_lora(base: Path) -> None:
    _, folder = saved(base, "shuffled")
    plain = load_adapter(export_lora(folder, base.parent / "plain"))
    with pytest.raises(AdapterError, match="is LoRA, whose factors were made of nothing"):
        shared_subspace(plain, "query", draws=0, through="source")
    cond = load_adapter(folder)
    with pytest.raises(AdapterError, match="alone; leave out"):
        shared_subspace(cond, "query", draws=0, through="source", other=cond)


def test_a_file_of_w0_says_nothing_of_sources(base: Path) -> None:
    said = json.loads((saved(base, "w0")[1] / "adapter_config.json").read_text())
    assert said["condlora_version"] == 1
    assert not {"source", "condlora_shift", "condlora_generator", "condlora_sha256"} & said.keys()


def test_a_file_of_a_control_is_of_a_version_that_earlier_readers_refuse(base: Path) -> None:
    said = json.loads((saved(base, "gaussian")[1] / "adapter_config.json").read_text())
    assert said["condlora_version"] == 2
    assert said["condlora_generator"] == "lora-lens gaussian 1"
    assert [len(sums) for sums in said["condlora_sha256"].values()] == [3, 3, 3]
    said = json.loads((saved(base, "shuffled")[1] / "adapter_config.json").read_text())
    assert said["condlora_shift"] == 1


@pytest.mark.parametrize(
    ("source", "changed", "words"),
    [
        ("gaussian", {"source": "noise"}, "the source is 'noise', expected one of w0, shuffled"),
        ("gaussian", {"source": "w0"}, "condlora_version 2, and this lora-lens reads 1"),
        ("gaussian", {"condlora_version": 1}, "condlora_version 1, and this lora-lens reads 2"),
        ("gaussian", {"condlora_generator": "lora-lens gaussian 2"}, "drawn by 'lora-lens gaussian 2'"),
        ("gaussian", {"condlora_sha256": {"query": ["ab"]}}, "does not list the checksums of"),
        ("shuffled", {"condlora_shift": "next"}, "condlora_shift is 'next', expected a whole number"),
        ("shuffled", {"condlora_shift": 3}, "a shift by 3 of 3 leaves"),
    ],
)  # fmt: skip
def test_a_broken_configuration_is_one_line(
    source: str, changed: dict[str, object], words: str, base: Path
) -> None:
    _, folder = saved(base, source)
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))
    with pytest.raises(AdapterError, match=words) as error:
        load_adapter(folder)
    assert "\n" not in str(error.value)


def test_another_gaussian_matrix_than_was_trained_with_is_refused(base: Path) -> None:
    _, folder = saved(base, "gaussian")
    file = folder / "adapter_config.json"
    said = json.loads(file.read_text())
    said["condlora_sha256"]["query"][1] = "00" * 32
    file.write_text(json.dumps(said))
    with pytest.raises(AdapterError, match="is not the one that was trained with"):
        load_adapter(folder)
    with pytest.raises(AdapterError, match="is not what it was trained with"):
        load_condlora_model(BERT.make(), folder)


def test_theta_of_one_source_is_no_other_ones(base: Path) -> None:
    _, folder = saved(base, "gaussian")
    with pytest.raises(AdapterError, match="has the source 'gaussian', the model's adapter 'w0'"):
        load_theta(BERT.wrapped(), folder)
    _, folder = saved(base, "w0")
    with pytest.raises(AdapterError, match="has the source 'w0', the model's adapter 'identity'"):
        load_theta(BERT.wrapped(source="identity"), folder)


def one_layer() -> nn.Module:
    model = BERT.make()
    model.bert.encoder.layer = model.bert.encoder.layer[:1]
    return model


def test_what_no_source_can_be_made_for_is_refused() -> None:
    with pytest.raises(AdapterError, match="of 1 leaves 'query' its own; use another source"):
        get_condlora_model(one_layer(), CondLoraConfig(target_modules=["query"], source="shuffled"))
    with pytest.raises(AdapterError, match="source is 'noise', expected one of w0, shuffled"):
        CondLoraConfig(source="noise")  # type: ignore[arg-type]
    with pytest.raises(AdapterError, match="makes its factors of W0 alone"):
        CondAdaLoraConfig(source="identity", total_step=10)


def test_a_source_is_condloras_alone() -> None:
    with pytest.raises(SettingsError, match="of method condlora alone, and the method is lora"):
        RunSettings(task="rte", method="lora", base="x", source="gaussian")
    settings = RunSettings(task="rte", method="condlora", base="x", source="gaussian")
    assert settings.as_written()["source"] == "gaussian"
    assert "source" not in RunSettings(task="rte", method="condlora", base="x").as_written()


def test_layers_of_a_derangement_are_never_their_own() -> None:
    for count in range(2, 7):
        paths = [f"{layer}.value" for layer in range(count)]
        found = stand_ins("shuffled", {"value": paths})
        assert all(path != one.path for path, one in found.items())
        assert sorted(one.path for one in found.values()) == paths
