"""Saving, loading, exporting: nothing is lost on the way, and what does not fit is named."""

import json
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from tiny_models import CONVENTIONS, KINDS, Kind, thetas, trained_looking

from lora_lens import export_lora, load_adapter
from lora_lens.errors import AdapterError, LensError, OutputError
from lora_lens.training.condlora import (
    CondLoraConfig,
    get_condlora_model,
    load_condlora_model,
    load_theta,
)
from lora_lens.training.condlora.reading import SavedAdapter

BERT = KINDS["bert"]
CLOSE = {"atol": 1e-5, "rtol": 1e-5}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
both_conventions = pytest.mark.parametrize("convention", CONVENTIONS)


def saved(folder: Path, kind: Kind = BERT, convention: str = "consistent", **settings: object):
    """An adapter in ``folder/cond``, its base in ``folder/base``, and the model that they came of."""
    kind.make().save_pretrained(folder / "base")
    model = kind.wrapped(convention, **settings)
    model.save_pretrained(str(folder / "cond"))
    return model


class Wordless(CondLoraConfig):
    """Refuses whatever it is given, as a library may that says no word."""

    def __init__(self, **_: object) -> None:
        raise ValueError


def test_a_refusal_without_words_is_told_by_its_kind() -> None:
    with pytest.raises(AdapterError, match="^here has a setting that PEFT refuses: ValueError$"):
        SavedAdapter("here", {}, {}, None, Wordless).config(is_trainable=False)


@every_kind
@both_conventions
def test_save_load_export_and_stock_peft_give_the_same_logits(
    kind: Kind, convention: str, tmp_path: Path
) -> None:
    targets = kind.targets if convention == "consistent" else kind.square
    model = saved(tmp_path, kind, convention, use_rslora=True, alpha_pattern={targets[0]: 5})
    expected = kind.logits(model)
    tensors = load_file(tmp_path / "cond" / "adapter_model.safetensors")
    names = {name for name in tensors if "theta" in name}
    assert len(names) == len(thetas(model))

    again = load_condlora_model(kind.make(), tmp_path / "cond")
    assert not again.training
    assert not any(p.requires_grad for p in again.parameters())
    torch.testing.assert_close(kind.logits(again), expected, atol=0, rtol=0)

    export_lora(tmp_path / "cond", tmp_path / "plain", tmp_path / "base")
    stock = PeftModel.from_pretrained(kind.make(), str(tmp_path / "plain")).eval()
    torch.testing.assert_close(kind.logits(stock), expected, **CLOSE)


def test_an_adapter_and_a_model_in_memory_are_exported_as_its_folder_is(tmp_path: Path) -> None:
    model = saved(tmp_path)
    read = load_adapter(tmp_path / "cond", tmp_path / "base")
    export_lora(tmp_path / "cond", tmp_path / "files", tmp_path / "base")
    export_lora(read, tmp_path / "adapter")
    export_lora(model, tmp_path / "live")
    expected = load_file(tmp_path / "files" / "adapter_model.safetensors")
    for folder in ("adapter", "live"):
        found = load_file(tmp_path / folder / "adapter_model.safetensors")
        assert found.keys() == expected.keys()
        for name, tensor in expected.items():
            torch.testing.assert_close(found[name], tensor, atol=0, rtol=0)
    with pytest.raises(AdapterError, match="export that model"):
        export_lora(load_adapter(model), tmp_path / "again")


def test_a_model_in_memory_is_exported_with_the_name_of_what_it_was_loaded_from(
    tmp_path: Path,
) -> None:
    saved(tmp_path)
    base = type(BERT.make()).from_pretrained(tmp_path / "base")
    base.save_pretrained(tmp_path / "moved")
    moved = type(base).from_pretrained(tmp_path / "moved")
    edit(tmp_path / "cond", base_model_name_or_path=str(tmp_path / "base"), revision="v1")
    for model, place, revision in ((base, "base", "v1"), (moved, "moved", None)):
        export_lora(load_condlora_model(model, tmp_path / "cond"), tmp_path / f"of {place}")
        config = json.loads((tmp_path / f"of {place}" / "adapter_config.json").read_text())
        assert config["base_model_name_or_path"] == str(tmp_path / place)
        assert config["revision"] == revision


def test_an_export_of_chosen_layers(tmp_path: Path) -> None:
    model = saved(tmp_path, layers_to_transform=[0, 2], target_modules=["query"])
    export_lora(tmp_path / "cond", tmp_path / "plain", tmp_path / "base")
    stock = PeftModel.from_pretrained(BERT.make(), str(tmp_path / "plain")).eval()
    torch.testing.assert_close(BERT.logits(stock), BERT.logits(model), **CLOSE)


def test_stock_peft_opens_the_export_where_lora_lens_is_not_installed(tmp_path: Path) -> None:
    model = saved(tmp_path)
    export_lora(tmp_path / "cond", tmp_path / "plain", tmp_path / "base")
    save_file(BERT.inputs(), tmp_path / "inputs.safetensors")
    script = (
        "import sys; sys.modules['lora_lens'] = None\n"
        "try:\n    import lora_lens\nexcept ImportError:\n    pass\nelse:\n    sys.exit('importable')\n"
        "import torch\n"
        "from peft import PeftModel\n"
        "from safetensors.torch import load_file, save_file\n"
        "from transformers import AutoModelForSequenceClassification as Auto\n"
        "model = PeftModel.from_pretrained(Auto.from_pretrained('base'), 'plain').eval()\n"
        "with torch.no_grad():\n    logits = model(**load_file('inputs.safetensors')).logits\n"
        "save_file({'logits': logits}, 'logits.safetensors')\n"
        "assert not any(name.startswith('lora_lens.') for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True)
    got = load_file(tmp_path / "logits.safetensors")["logits"]
    torch.testing.assert_close(got, BERT.logits(model), **CLOSE)


def test_loading_to_train_on(tmp_path: Path) -> None:
    model = saved(tmp_path)
    again = load_condlora_model(
        BERT.make().train(), tmp_path / "cond", adapter_name="mine", is_trainable=True
    )
    assert again.training
    assert again.active_adapters == ["mine"]
    assert all(theta.requires_grad for theta in thetas(again, "mine").values())
    BERT.loss(again).backward()
    for name, theta in thetas(again, "mine").items():
        assert torch.equal(theta, thetas(model)[name])
        assert theta.grad is not None


def test_several_adapters_go_to_folders_by_name_and_come_back(tmp_path: Path) -> None:
    model = BERT.wrapped(target_modules=["query"])
    second = CondLoraConfig(
        task_type="SEQ_CLS", r=2, convention="stored", target_modules=["value"], lora_alpha=3
    )
    model.add_adapter("second", second)
    model.add_adapter("plain", LoraConfig(task_type="SEQ_CLS", r=2, target_modules=["key"]))
    trained_looking(model)
    model.save_pretrained(str(tmp_path))
    model.save_pretrained(str(tmp_path / "pickled"), safe_serialization=False)
    assert (tmp_path / "pickled" / "plain" / "adapter_model.bin").exists()
    again = load_condlora_model(BERT.make(), tmp_path)
    again.load_adapter(str(tmp_path / "second"), "second")
    assert not any(theta.requires_grad for theta in thetas(again, "second").values())
    for name in ("default", "second"):
        for one in (model, again):
            one.set_adapter(name)
        torch.testing.assert_close(BERT.logits(again), BERT.logits(model), atol=0, rtol=0)
    stock = PeftModel.from_pretrained(BERT.make(), str(tmp_path / "plain")).eval()
    model.set_adapter("plain")
    torch.testing.assert_close(BERT.logits(stock), BERT.logits(model), **CLOSE)


def test_plain_lora_loads_beside_it(tmp_path: Path) -> None:
    config = LoraConfig(task_type="SEQ_CLS", target_modules=["key"], init_lora_weights=False)
    plain = get_peft_model(BERT.make(), config).eval()
    plain.save_pretrained(str(tmp_path / "plain"))
    model = BERT.wrapped()
    expected = BERT.logits(model)
    model.load_adapter(str(tmp_path / "plain"), "plain")
    torch.testing.assert_close(BERT.logits(model), expected, atol=0, rtol=0)
    model.set_adapter("plain")
    torch.testing.assert_close(BERT.logits(model), BERT.logits(plain), atol=0, rtol=0)
    with pytest.raises(AdapterError, match="PEFT.s LoRA, and no CondLoRA"):
        model.load_adapter(str(tmp_path / "plain"), "default")
    with pytest.raises(AdapterError, match="not a folder"):
        model.load_adapter(str(tmp_path / "nowhere"), "third")


def test_peft_alone_says_what_opens_the_folder(tmp_path: Path) -> None:
    saved(tmp_path)
    with (
        pytest.raises(AdapterError, match="load_condlora_model"),
        pytest.warns(UserWarning, match="condlora_modules"),
    ):
        PeftModel.from_pretrained(BERT.make(), str(tmp_path / "cond"))


def test_saving_is_whole_or_not_at_all(tmp_path: Path) -> None:
    saved(tmp_path)
    before = (tmp_path / "cond" / "adapter_model.safetensors").read_bytes()
    model = BERT.wrapped(r=2)
    with mock.patch("lora_lens.training.condlora.saving.save_tensors", side_effect=OSError("full")):
        with pytest.raises(OutputError, match="full"):
            model.save_pretrained(str(tmp_path / "cond"))
        with pytest.raises(OutputError):
            model.save_pretrained(str(tmp_path / "new" / "cond"))
    assert (tmp_path / "cond" / "adapter_model.safetensors").read_bytes() == before
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("bias", ["lora_only", "all"])
def test_heads_and_biases_come_back_too(tmp_path: Path, bias: str) -> None:
    BERT.make().save_pretrained(tmp_path / "base")
    model = BERT.wrapped(modules_to_save=["pooler"], bias=bias)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data.add_(0.1)
    model.save_pretrained(str(tmp_path / "cond"))
    again = load_condlora_model(BERT.make(), tmp_path / "cond")
    torch.testing.assert_close(BERT.logits(again), BERT.logits(model), atol=0, rtol=0)
    export_lora(tmp_path / "cond", tmp_path / "plain", tmp_path / "base")
    stock = PeftModel.from_pretrained(BERT.make(), str(tmp_path / "plain")).eval()
    torch.testing.assert_close(BERT.logits(stock), BERT.logits(model), **CLOSE)


def test_the_configuration_names_the_base_model(tmp_path: Path) -> None:
    BERT.make().save_pretrained(tmp_path / "base")
    base = type(BERT.make()).from_pretrained(tmp_path / "base")
    get_condlora_model(base, CondLoraConfig(target_modules=["query"])).save_pretrained(
        str(tmp_path / "cond")
    )
    config = json.loads((tmp_path / "cond" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(tmp_path / "base")


def edit(folder: Path, **changes: object) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def without(folder: Path, name: str, instead: dict[str, torch.Tensor] | None = None) -> None:
    path = folder / "adapter_model.safetensors"
    tensors = load_file(path)
    del tensors[name]
    save_file(tensors | (instead or {}), path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: edit(f, peft_type="LORA"), "no lora_A and lora_B of a linear layer"),
        (lambda f: edit(f, peft_type="IA3"), "peft_type 'IA3'.*lora-lens reads"),
        (lambda f: edit(f, convention="sideways"), "sideways"),
        (lambda f: edit(f, r="eight"), "r is 'eight', expected int"),
        (lambda f: edit(f, lora_dropout="word"), "lora_dropout is 'word', expected float"),
        (lambda f: edit(f, bias=[]), r"bias is \[\], expected Literal"),
        (lambda f: edit(f, modules_to_save=["a", 1]), "modules_to_save is .*, expected .*list"),
        (lambda f: edit(f, condlora_modules=None), "condlora_modules"),
        (lambda f: edit(f, condlora_modules={"query": 3}), "condlora_modules"),
        (lambda f: edit(f, use_tomorrows_idea=True), "use_tomorrows_idea.*update PEFT"),
        (lambda f: edit(f, layers_to_transform=[0]), "only the adapter has .*layer.1"),
        (lambda f: without(f, "query.theta_A"), "θ_B of query has no partner θ_A"),
        (
            lambda f: without(f, "query.theta_A", {"query.theta_a": torch.ones(2)}),
            "θ_B of query has no partner θ_A",
        ),
        (
            lambda f: without(f, "value.theta_B", {"value.theta_B": torch.ones(32, 3)}),
            r"another shape value.theta_B \(32, 3\), the model has \(32, 4\)",
        ),
        (
            lambda f: without(f, "base_model.model.classifier.bias"),
            "lacks base_model.model.classifier.bias",
        ),
        (lambda f: (f / "adapter_model.safetensors").unlink(), "holds no adapter_model"),
        (lambda f: (f / "adapter_model.safetensors").write_bytes(b"x"), "not a whole safetensors"),
        (lambda f: (f / "adapter_config.json").unlink(), "holds no adapter_config.json"),
    ],
)
def test_what_does_not_fit_is_named_and_the_base_left_as_it_was(
    tmp_path: Path, spoil, message: str
) -> None:
    saved(tmp_path, target_modules=["query", "value"])
    spoil(tmp_path / "cond")
    base = BERT.make()
    modules = [name for name, _ in base.named_modules()]
    with pytest.raises(LensError, match=message) as caught:
        load_condlora_model(base, tmp_path / "cond")
    assert "\n" not in str(caught.value)
    assert [name for name, _ in base.named_modules()] == modules


def test_a_setting_that_is_null_is_not_set(tmp_path: Path) -> None:
    saved(tmp_path, target_modules=["query", "value"])
    edit(tmp_path / "cond", alpha_pattern=None)
    assert (
        load_condlora_model(BERT.make(), tmp_path / "cond").peft_config["default"].alpha_pattern
        == {}
    )


def test_theta_loads_all_or_nothing_into_a_model_that_is_there(tmp_path: Path) -> None:
    saved(tmp_path, convention="stored")
    model = BERT.wrapped("consistent", target_modules=["query", "value"])
    expected = BERT.logits(model)
    with pytest.raises(AdapterError, match="convention 'stored', the model's adapter 'consistent'"):
        load_theta(model, tmp_path / "cond")
    with pytest.raises(AdapterError, match="no CondLoRA adapter 'other'; it has 'default'"):
        load_theta(model, tmp_path / "cond", "other")
    with pytest.raises(AdapterError, match="no CondLoRA adapter"):
        load_theta(
            get_peft_model(BERT.make(), LoraConfig(target_modules=["query"])), tmp_path / "cond"
        )
    torch.testing.assert_close(BERT.logits(model), expected, atol=0, rtol=0)
    stored = BERT.wrapped("stored")
    stored.merge_adapter()
    with pytest.raises(AdapterError, match="unmerge_adapter"):
        load_theta(stored, tmp_path / "cond")
    stored.unmerge_adapter()
    load_theta(stored, tmp_path / "cond")
    before = BERT.logits(stored)
    saved(tmp_path / "few", convention="stored", layers_to_transform=[1])
    with pytest.raises(AdapterError, match="only the model has"):
        stored.load_adapter(str(tmp_path / "few" / "cond"), "default")
    edit(tmp_path / "cond", convention="sideways")
    with pytest.raises(AdapterError, match="sideways"):
        stored.load_adapter(str(tmp_path / "cond"), "new")
    assert list(stored.peft_config) == ["default"]
    torch.testing.assert_close(BERT.logits(stored), before, atol=0, rtol=0)


def released(folder: Path, **changes: object) -> PeftModel:
    """The authors' layout of an adapter of ours: θ transposed, no layer numbers, a ``.bin``."""
    model = saved(folder, convention="stored")
    ours = load_file(folder / "cond" / "adapter_model.safetensors")
    theirs = {
        name.replace("theta_", "linear_for_lora_"): tensor.T.contiguous()
        if "theta" in name
        else tensor
        for name, tensor in ours.items()
    }
    (folder / "released").mkdir()
    torch.save(
        theirs | {"linear_for_lora_x": torch.ones(4, 32)}, folder / "released/adapter_model.bin"
    )
    config = {
        "peft_type": "ConditionalLORA", "use_x": "none", "lora_x_scaling": 1.0, "r": 4,
        "lora_alpha": 8, "lora_dropout": 0.0, "target_modules": ["query", "value"], "bias": "none",
        "fan_in_fan_out": False, "inference_mode": True, "init_lora_weights": True,
        "layers_pattern": None, "layers_to_transform": None, "modules_to_save": None,
        "revision": None, "task_type": "SEQ_CLS", "base_model_name_or_path": str(folder / "base"),
    } | changes  # fmt: skip
    (folder / "released" / "adapter_config.json").write_text(json.dumps(config))
    return model


def test_released_checkpoints_load_and_export_to_the_same_logits(tmp_path: Path) -> None:
    expected = BERT.logits(released(tmp_path))
    model = load_condlora_model(BERT.make(), tmp_path / "released")
    torch.testing.assert_close(BERT.logits(model), expected, atol=0, rtol=0)
    export_lora(tmp_path / "released", tmp_path / "plain")
    stock = PeftModel.from_pretrained(BERT.make(), str(tmp_path / "plain")).eval()
    torch.testing.assert_close(BERT.logits(stock), expected, **CLOSE)


def test_checkpoints_of_gparts_fork_load_to_the_same_logits(tmp_path: Path) -> None:
    model = released(tmp_path, peft_type="CONDLORA")
    of_released = load_file(tmp_path / "cond" / "adapter_model.safetensors")
    tensors = {name: one for name, one in of_released.items() if "theta" not in name}
    for name in of_released.keys() - tensors.keys():
        module, letter = name.rpartition(".theta_")[::2]
        shared = f"base_model.cond_lora_shared.default.{module}.{letter}.weight"
        tensors[shared] = of_released[name].T.contiguous()
        for path, _ in BERT.make().named_modules():
            if path.endswith(f".{module}"):
                own = f"base_model.model.{path}.cond_lora_{letter}.weight"
                tensors[own] = tensors[shared].clone()
    (tmp_path / "released" / "adapter_model.bin").unlink()
    save_file(tensors, tmp_path / "released" / "adapter_model.safetensors")
    again = load_condlora_model(BERT.make(), tmp_path / "released")
    torch.testing.assert_close(BERT.logits(again), BERT.logits(model), atol=0, rtol=0)


def test_released_checkpoints_that_do_not_load_say_why(tmp_path: Path) -> None:
    released(tmp_path / "one", use_x="type1")
    with pytest.raises(AdapterError, match="use_x"):
        load_condlora_model(BERT.make(), tmp_path / "one" / "released")
    released(tmp_path / "two", target_modules=["query"])
    with pytest.raises(AdapterError, match="has besides value.theta_A.*lora-lens export"):
        load_condlora_model(BERT.make(), tmp_path / "two" / "released")
