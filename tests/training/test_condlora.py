from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tiny_models import trained_looking
from torch import nn
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from lora_lens import conversion_similarity, export_lora, load_adapter
from lora_lens.errors import AdapterError
from lora_lens.training.condlora import CondLoraConfig, get_condlora_model, target_groups

CLOSE = 1e-5


def tiny_bert(**changes: float) -> BertForSequenceClassification:
    torch.manual_seed(0)
    sizes = {
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 48,
    }
    # Weights of the size that trained models have; with 0.02 the adapter would hardly show.
    sizes |= {"initializer_range": 0.2}
    return BertForSequenceClassification(BertConfig(vocab_size=50, **(sizes | changes)))


def tiny_gpt2() -> GPT2ForSequenceClassification:
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=50,
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=16,
        pad_token_id=0,
        initializer_range=0.2,
    )
    return GPT2ForSequenceClassification(config)


def wrapped(model: nn.Module, **settings: object) -> PeftModel:
    config = {"task_type": "SEQ_CLS", "r": 4, "lora_alpha": 8, "target_modules": ["query", "value"]}
    return get_condlora_model(model, CondLoraConfig(**(config | settings)))


def logits(model: nn.Module) -> torch.Tensor:
    ids = torch.arange(20).reshape(2, 10)
    with torch.no_grad():
        return model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits


@pytest.mark.parametrize("convention", ["stored", "consistent"])
def test_parameters_of_a_roberta_base_are_the_papers(convention: str) -> None:
    model = RobertaForSequenceClassification(RobertaConfig(vocab_size=9, pad_token_id=1))
    cond = wrapped(model, r=8, convention=convention)
    thetas = [p for name, p in cond.named_parameters() if p.requires_grad and "theta" in name]
    assert sum(p.numel() for p in thetas) == 24_576
    assert len(thetas) == 4
    assert cond.get_nb_trainable_parameters()[0] == 24_576 + head_size(cond)
    assert {
        name for name, p in cond.named_parameters() if p.requires_grad and "theta" not in name
    } == {name for name, _ in cond.named_parameters() if "modules_to_save" in name}


def test_parameters_of_plain_lora_are_the_papers_too() -> None:
    model = RobertaForSequenceClassification(RobertaConfig(vocab_size=9, pad_token_id=1))
    config = LoraConfig(task_type="SEQ_CLS", r=8, target_modules=["query", "value"])
    lora = get_peft_model(model, config)
    assert lora.get_nb_trainable_parameters()[0] == 294_912 + head_size(lora)


def head_size(model: PeftModel) -> int:
    return sum(p.numel() for n, p in model.named_parameters() if "modules_to_save.default" in n)


@pytest.mark.parametrize("convention", ["stored", "consistent"])
def test_starts_as_the_base_model(convention: str) -> None:
    base = tiny_bert().eval()
    expected = logits(base)
    torch.testing.assert_close(logits(wrapped(base, convention=convention).eval()), expected)


def plain_logits(model: PeftModel, convention: str) -> torch.Tensor:
    """Second route: W0 + s·B·A by the paper's equations, put into a fresh model's weights."""
    plain = tiny_bert().double().eval()
    plain.load_state_dict(
        {
            name.replace(".base_layer", "").replace(".modules_to_save.default", ""): tensor
            for name, tensor in model.get_base_model().state_dict().items()
            if "lora" not in name and "original_module" not in name
        }
    )
    weights = dict(plain.named_parameters())
    changed = {}
    for layers in target_groups(model, "default").values():
        first = next(iter(layers.values()))
        theta_a, theta_b = first.lora_A["default"].theta, first.lora_B["default"].theta
        for path in layers:
            w0 = weights[f"{path}.weight"]
            a = theta_a.T @ w0 if convention == "consistent" else (w0 @ theta_a).T
            changed[f"{path}.weight"] = w0 + 8 / 4 * (w0 @ theta_b) @ a
    ids = torch.arange(20).reshape(2, 10)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    return torch.func.functional_call(plain, changed, kwargs=inputs).logits


@pytest.mark.parametrize("convention", ["stored", "consistent"])
def test_forward_and_theta_gradients_equal_the_plain_formula_in_float64(convention: str) -> None:
    model = trained_looking(wrapped(tiny_bert(), convention=convention)).double()
    thetas = [p for name, p in model.named_parameters() if "theta" in name]
    ids = torch.arange(20).reshape(2, 10)
    got = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    expected = plain_logits(model, convention)
    torch.testing.assert_close(got, expected, atol=1e-12, rtol=0)
    for mine, theirs in zip(
        torch.autograd.grad(got.square().sum(), thetas),
        torch.autograd.grad(expected.square().sum(), thetas),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs, atol=1e-11, rtol=1e-9)


@pytest.mark.parametrize("convention", ["stored", "consistent"])
def test_merged_unmerged_and_disabled(convention: str) -> None:
    base = logits(tiny_bert().eval())
    model = trained_looking(wrapped(tiny_bert(), convention=convention))
    before = logits(model)
    assert (before - base).abs().max() > 0.05
    with model.disable_adapter():
        torch.testing.assert_close(logits(model), base)
    model.merge_adapter()
    torch.testing.assert_close(logits(model), before, atol=1e-6, rtol=0)
    model.unmerge_adapter()
    torch.testing.assert_close(logits(model), before, atol=1e-6, rtol=0)


@pytest.mark.parametrize("convention", ["stored", "consistent"])
def test_save_load_and_export_give_the_same_logits(tmp_path: Path, convention: str) -> None:
    tiny_bert().save_pretrained(tmp_path / "base")
    model = trained_looking(wrapped(tiny_bert(), convention=convention))
    expected = logits(model)
    model.save_pretrained(str(tmp_path / "cond"))

    again = wrapped(tiny_bert(), convention=convention)
    again.load_adapter(str(tmp_path / "cond"), "default")
    torch.testing.assert_close(logits(again.eval()), expected, atol=1e-7, rtol=0)

    export_lora(tmp_path / "cond", tmp_path / "plain", tmp_path / "base")
    stock = PeftModel.from_pretrained(tiny_bert(), str(tmp_path / "plain")).eval()
    assert type(stock).__module__.startswith("peft.")
    torch.testing.assert_close(logits(stock), expected, atol=CLOSE, rtol=0)

    for folder in ("cond", "plain"):
        adapter = load_adapter(tmp_path / folder, tmp_path / "base")
        for grid in conversion_similarity(
            adapter, "value", convention=convention, draws=0
        ).values():
            np.testing.assert_allclose(grid.values, 1, atol=CLOSE)


def test_theta_is_saved_once(tmp_path: Path) -> None:
    model = trained_looking(wrapped(tiny_bert()))
    model.save_pretrained(str(tmp_path))
    from safetensors.torch import load_file

    names = set(load_file(tmp_path / "adapter_model.safetensors"))
    thetas = {name for name in names if "theta" in name}
    assert thetas == {f"{m}.theta_{f}" for m in ("query", "value") for f in "AB"}
    assert all("classifier" in name for name in names - thetas)


def test_rectangular_and_conv1d_layers_under_consistent(tmp_path: Path) -> None:
    for make, target in ((tiny_bert, ["intermediate.dense"]), (tiny_gpt2, ["c_attn"])):
        base = tmp_path / target[0]
        make().save_pretrained(base / "base")
        model = trained_looking(
            wrapped(make(), target_modules=target, fan_in_fan_out=make is tiny_gpt2)
        )
        expected = logits(model)
        model.save_pretrained(str(base / "cond"))
        export_lora(base / "cond", base / "plain", base / "base")
        stock = PeftModel.from_pretrained(make(), str(base / "plain")).eval()
        torch.testing.assert_close(logits(stock), expected, atol=CLOSE, rtol=0)


def test_shapes_that_differ_between_layers_are_an_error_that_names_them() -> None:
    model = tiny_bert()
    model.bert.encoder.layer[2].attention.self.query = nn.Linear(32, 16)
    with pytest.raises(
        AdapterError, match=r"layer.0.attention.self.query \(32, 32\).*layer.2.*\(16, 32\)"
    ):
        wrapped(model, target_modules=["query"])


def test_a_rectangular_module_under_stored_is_an_error() -> None:
    with pytest.raises(AdapterError, match="needs a square one"):
        wrapped(tiny_bert(), target_modules=["intermediate.dense"], convention="stored")


@pytest.mark.parametrize(
    "settings", [{"convention": "sideways"}, {"rank_pattern": {"query": 2}}, {"use_dora": True}, {"init_lora_weights": "pissa"}]
)  # fmt: skip
def test_settings_that_condlora_cannot_have(settings: dict[str, object]) -> None:
    with pytest.raises(AdapterError):
        CondLoraConfig(target_modules=["query"], **settings)
