"""A model in memory gives what it gives when it is saved and read."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import (
    AdaLoraConfig,
    LoHaConfig,
    LoraConfig,
    OFTConfig,
    PeftMixedModel,
    PeftModel,
    get_peft_model,
    inject_adapter_in_model,
)
from tiny_models import KINDS, bert, gpt2, trained_looking
from torch import nn
from transformers import BertForSequenceClassification

import lora_lens as ll
from lora_lens.bases.of_adapter import open_base_of
from lora_lens.errors import AdapterError, BaseModelError, LensError
from lora_lens.formats.live.layers import adapters_on
from lora_lens.labelled import Row
from lora_lens.questions import QUESTIONS
from lora_lens.report import write_report
from lora_lens.training.condlora import CondAdaLoraConfig, get_condlora_model

Make = Callable[[str], Any]
NOT_THE_SAME = (
    "adapter",
    "base",
    "source",
    "one",
    "other",
    "title",
    "summary",
    "findings",
    "notes",
)


def lora(base: nn.Module, **settings: Any) -> PeftModel:
    """Every factor with numbers."""
    model = get_peft_model(base, LoraConfig(r=4, lora_alpha=6, **settings))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return model.eval()


def encoder() -> PeftModel:
    return lora(
        bert(), task_type="SEQ_CLS", target_modules=["query", "value", "intermediate.dense"],
        rank_pattern={"layer.1.attention.self.value": 2}, alpha_pattern={"query": 3}, bias="lora_only",
    )  # fmt: skip


def decoder() -> PeftModel:
    return lora(
        gpt2(), task_type="CAUSAL_LM", fan_in_fan_out=True, use_rslora=True,
        target_modules=["c_attn", "attn.c_proj", "mlp.c_fc"],
    )  # fmt: skip


def shared(kind: str) -> PeftModel:
    return KINDS[kind].wrapped("consistent")


def shared_budget() -> PeftModel:
    config = CondAdaLoraConfig(
        task_type="SEQ_CLS", r=4, lora_alpha=8, target_modules=["query", "value"], target_r=2,
        total_step=10,
    )  # fmt: skip
    model = trained_looking(get_condlora_model(bert(), config))
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "gate" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
                parameter[0] = 0
    return model


def budget() -> PeftModel:
    config = AdaLoraConfig(
        task_type="SEQ_CLS", init_r=4, target_r=2, lora_alpha=8, target_modules=["query", "value"],
        total_step=10,
    )  # fmt: skip
    model = get_peft_model(bert(), config)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return model


MODELS: dict[str, Callable[[], PeftModel]] = {
    "bert": encoder,
    "gpt2": decoder,
    "condlora": lambda: shared("bert"),
    "condlora on Conv1D": lambda: shared("gpt2"),
    "condadalora": shared_budget,
    "adalora": budget,
}
BASES = {"gpt2": gpt2, "condlora on Conv1D": gpt2}


def saved(name: str, model: PeftModel, folder: Path) -> Path:
    """The adapter in a folder, its base beside it, which it names."""
    BASES.get(name, bert)().save_pretrained(folder / "base")
    for config in model.peft_config.values():
        config.base_model_name_or_path = str(folder / "base")
    model.save_pretrained(str(folder / "adapter"), save_embedding_layers=False)
    return folder / "adapter"


def the_same(one: Any, other: Any, tolerance: float = 0.0) -> bool:
    if isinstance(one, dict):
        keys = [key for key in one if key not in NOT_THE_SAME]
        return one.keys() == other.keys() and all(
            the_same(one[k], other[k], tolerance) for k in keys
        )
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(
            the_same(a, b, tolerance) for a, b in zip(one, other, strict=True)
        )
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= tolerance * max(1, abs(one))
    return bool(one == other)


@pytest.mark.parametrize("name", MODELS)
def test_the_adapter_is_the_one_that_is_saved(name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    read = ll.load_adapter(saved(name, model, tmp_path))
    live = ll.load_adapter(model)
    for attribute in (
        "method", "title", "base_model", "revision", "trainable_parameters", "convention",
        "fan_in_fan_out", "patterns", "in_layers", "left_out",
    ):  # fmt: skip
        assert getattr(live, attribute) == getattr(read, attribute), attribute
    for module, expected in read.modules.items():
        found = live.modules[module]
        assert (found.names, found.layers, found.ranks, found.part, found.pattern) == (
            expected.names, expected.layers, expected.ranks, expected.part, expected.pattern,
        )  # fmt: skip
        for letter in ("a", "b", "scaling"):
            assert torch.equal(getattr(found, letter), getattr(expected, letter)), letter
        weights, base = open_base_of(live), open_base_of(read)
        for position in range(len(expected.layers)):
            assert torch.equal(weights.w0(found, position), base.w0(expected, position))


@pytest.mark.parametrize("name", ["bert", "gpt2", "condlora"])
def test_every_question_gives_the_same_for_a_model_a_path_and_an_adapter(
    name: str, tmp_path: Path
) -> None:
    model = MODELS[name]()
    folder = saved(name, model, tmp_path)
    options = {"module": "value", "draws": 3, "convention": "consistent"}
    for question in QUESTIONS:
        if question.name == "dynamics":  # asked of a folder of checkpoints
            continue
        known = inspect.signature(question.ask).parameters
        given: dict[str, Any] = {key: value for key, value in options.items() if key in known}
        answers: list[Row] = []
        for one in (folder, ll.load_adapter(folder), model):
            if question.name == "matrix":
                answer = question.ask([one, ll.load_adapter(model)], **given)
            elif question.name == "comparison":
                answer = question.ask(one, model, **given)
            elif question.name == "grid":
                answer = question.ask(one, None, **given)
            else:
                answer = question.ask(one, **given)
            answers.append(answer.to_dict())
        assert the_same(answers[0], answers[1]), question.name
        if question.name == "matrix":
            continue  # in another order of names
        assert the_same(answers[0], answers[2], 1e-12), question.name
    assert the_same(ll.suggest_ranks(folder).to_dict(), ll.suggest_ranks(model).to_dict(), 1e-12)


def test_compared_with_itself_in_memory_an_adapter_is_the_same(tmp_path: Path) -> None:
    model = encoder()
    folder = saved("bert", model, tmp_path)
    assert ll.compare(folder, model, "value", 2, draws=2)["A"].values == pytest.approx(1)
    found = ll.adapter_matrix([folder, model], "value")
    assert found.values == pytest.approx(1)


def test_a_report_of_a_model(tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    path = write_report(encoder(), tmp_path / "report.html", modules=["value"], draws=2)
    assert "in memory" in path.read_text(encoding="utf-8")


def test_a_model_beside_itself_is_refused_and_beside_another_of_its_class_is_not(
    tmp_path: Path,
) -> None:
    one, other = encoder(), encoder()
    out = tmp_path / "report.html"
    with pytest.raises(LensError, match=r":default is given twice; expected different adapters"):
        write_report(one, out, one, modules=["value"], draws=2)
    assert write_report(one, out, other, modules=["value"], draws=2).exists()


def test_the_numbers_are_those_that_the_model_has_now() -> None:
    model = encoder()
    adapter = ll.load_adapter(model)
    before = ll.inspect(adapter).modules[0].frobenius_norm
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.mul_(2)
    assert ll.inspect(adapter).modules[0].frobenius_norm == pytest.approx(2 * before)
    assert not any(parameter.grad_fn for parameter in model.parameters())


def test_training_goes_on_after_a_question() -> None:
    model = encoder().train()
    wanted = {name for name, p in model.named_parameters() if p.requires_grad}
    ll.spectrum(model, "value", draws=1)
    assert {name for name, p in model.named_parameters() if p.requires_grad} == wanted
    model(**KINDS["bert"].inputs()).loss.backward()


def test_of_several_adapters_the_active_one_or_the_one_named() -> None:
    model = encoder()
    torch.manual_seed(5)
    model.add_adapter("other", LoraConfig(r=2, target_modules=["key"], init_lora_weights=False))
    assert set(ll.load_adapter(model).modules) == {"query", "value", "dense"}
    assert ll.load_adapter(model, name="other").source == "BertForSequenceClassification:other"
    model.set_adapter("other")
    assert set(ll.load_adapter(model).modules) == {"key"}
    with pytest.raises(AdapterError, match="no LoRA adapter 'third'; it has 'default', 'other'"):
        ll.load_adapter(model, name="third")
    both = decoder()  # without a head of its own, so that two can be active
    both.add_adapter("other", LoraConfig(r=2, target_modules=["c_attn"], fan_in_fan_out=True))
    both.base_model.set_adapter(["default", "other"])
    with pytest.raises(AdapterError, match="'default', 'other' are active"):
        ll.load_adapter(both)
    with pytest.raises(AdapterError, match="for a model in memory"):
        ll.load_adapter(ll.demo_adapter("lora"), name="other")


def test_a_merged_adapter_is_refused_at_once_and_later() -> None:
    model = encoder()
    adapter = ll.load_adapter(model)
    model.merge_adapter()
    with pytest.raises(AdapterError, match="default merged into W0"):
        ll.load_adapter(model)
    with pytest.raises(BaseModelError, match="default merged into W0"):
        ll.amplification(adapter, "value")
    model.unmerge_adapter()
    ll.amplification(adapter, "value")


def of_two_methods(*configs: Any) -> PeftMixedModel:
    """Adapters a and b on the same layers, the layers of the one around those of the other."""
    model = PeftMixedModel(bert(), configs[0], "a")
    model.add_adapter("b", configs[1])
    generator = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name or "hada_" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return model.eval()


LORA = LoraConfig(r=2, target_modules=["query"])
LOHA = LoHaConfig(r=2, target_modules=["query"])


@pytest.mark.parametrize("configs", [(LORA, LOHA), (LOHA, LORA)], ids=["lora first", "loha first"])
def test_of_two_methods_on_one_model_the_numbers_are_of_one(configs: tuple[Any, Any]) -> None:
    model = of_two_methods(*configs)
    model.set_adapter(["a", "b"])
    with pytest.raises(AdapterError, match="'[ab]', '[ab]' are active"):
        ll.load_adapter(model)
    outer = model.base_model.model.bert.encoder.layer[0].attention.self.query
    for name in ("a", "b"):
        own = next(one for one in (outer, outer.base_layer) if name in adapters_on(one))
        model.set_adapter(name)
        for adapter in (ll.load_adapter(model), ll.load_adapter(model, name=name)):
            found = adapter.modules["query"]
            delta = found.scaling[0] * found.b[0] @ found.a[0]
            assert torch.allclose(delta, own.get_delta_weight(name), atol=1e-6)
            assert found.names[0] == "bert.encoder.layer.0.attention.self.query"


@pytest.mark.parametrize("configs", [(LORA, LOHA), (LOHA, LORA)], ids=["lora first", "loha first"])
@pytest.mark.parametrize("merged", ["a", "b"])
def test_what_is_merged_within_or_around_a_layer_is_no_w0(
    configs: tuple[Any, Any], merged: str
) -> None:
    model = of_two_methods(*configs)
    adapters = [ll.load_adapter(model, name=name) for name in ("a", "b")]
    for layer in model.modules():
        if hasattr(layer, "merge") and merged in adapters_on(layer):
            layer.merge(adapter_names=[merged])
    for adapter in adapters:
        with pytest.raises(BaseModelError, match=f"{merged} merged into W0"):
            open_base_of(adapter).w0(adapter.modules["query"], 0)


def test_a_merge_that_would_round_to_a_quantised_w0_is_refused() -> None:
    model = get_peft_model(bert(), LOHA)
    base = model.base_model.model.bert.encoder.layer[0].attention.self.query.get_base_layer()
    base.weight = torch.nn.Parameter(base.weight.to(torch.int8), requires_grad=False)
    with pytest.raises(AdapterError, match=r"W0 of bert\.\S+query is quantised, and PEFT's merge"):
        ll.load_adapter(model)


def test_layers_that_peft_takes_for_another_adapters_are_not_lost() -> None:
    config = LoraConfig(r=2, target_modules=["query"], init_lora_weights=False)
    model = get_peft_model(bert(), config, adapter_name="0")
    assert ll.load_adapter(model).modules["query"].layers == (0, 1, 2)
    model.add_adapter("1", config)
    with pytest.raises(
        AdapterError, match=r"layer\.1\.\S+query has factors of '0' that PEFT.*one of '1';"
    ):
        ll.load_adapter(model)


def test_another_scale_than_the_one_that_is_saved_is_refused() -> None:
    model = encoder()
    for layer in model.modules():
        if hasattr(layer, "set_scale"):
            layer.set_scale("default", 0.5)
    with pytest.raises(AdapterError, match="scales its update by .* now"):
        ll.load_adapter(model)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"init_lora_weights": "pissa"}, "minus the initial"),
        ({"init_lora_weights": "olora"}, "minus the initial"),
    ],
)
def test_what_is_refused_as_a_file_is_refused_in_memory(
    settings: dict[str, Any], said: str
) -> None:
    config = LoraConfig(r=4, target_modules=["query"], **settings)
    with pytest.raises(AdapterError, match=said):
        ll.load_adapter(get_peft_model(bert(), config))


@pytest.mark.parametrize(("scheme", "said"), [("pissa", True), ("gaussian", False)])
def test_w0_from_which_another_adapter_took_its_start_is_said(
    tmp_path: Path, scheme: str, said: bool
) -> None:
    plain = bert()
    plain.save_pretrained(tmp_path)
    model = lora(plain, target_modules=["query", "value"])
    model.add_adapter("second", LoraConfig(r=4, target_modules=["query"], init_lora_weights=scheme))
    adapter = ll.load_adapter(model, name="default")
    for module, told in (("query", said), ("value", False)):
        first = ll.open_base(tmp_path).w0(adapter.modules[module], 0)
        assert torch.equal(open_base_of(adapter).w0(adapter.modules[module], 0), first) != told
    notes = ll.amplification(adapter, "query").notes
    assert any("adapter 'second' changed" in one for one in notes) == said
    given = ll.amplification(adapter, "query", base=tmp_path).notes
    assert not any("'second'" in one for one in given)


def test_of_w0_that_was_changed_it_is_said_whoever_reads_it() -> None:
    model = lora(bert(), target_modules=["query"], use_dora=True)
    start = LoraConfig(r=4, target_modules=["query"], init_lora_weights="pissa")
    model.add_adapter("second", start)
    one = ll.load_adapter(model, name="default")
    for answer in (
        ll.rank_grids(one, one, "query"),
        ll.rank_grids(one, module="query"),
        ll.adapter_matrix([one, replace(one, source="another")], "query", matrix="delta"),
        ll.amplification(one, "query"),
        ll.spectrum(one, "query"),
    ):
        assert sum("its adapter 'second' changed" in note for note in answer.notes) == 1, answer


def test_of_two_methods_on_a_layer_the_starts_of_either_are_said() -> None:
    model = PeftMixedModel(bert(), LoHaConfig(r=2, target_modules=["query"]), "hada")
    start = LoraConfig(r=4, target_modules=["query"], init_lora_weights="pissa")
    model.add_adapter("second", start)
    model.set_adapter("hada")
    adapter = ll.load_adapter(model, name="hada")
    notes = open_base_of(adapter).notes
    assert len(notes) == 1
    assert "W0 of 3 modules" in notes[0]
    embedded = lora(bert(), target_modules=["word_embeddings"])
    embedded.add_adapter(
        "second", LoraConfig(r=4, target_modules=["word_embeddings"], init_lora_weights="pissa")
    )
    assert not open_base_of(ll.load_adapter(embedded, name="default")).notes


def test_dora_in_memory_is_dora_in_its_file(tmp_path: Path) -> None:
    """Not s·B·A alone: the true ΔW where W0 is given."""
    torch.manual_seed(0)
    plain = bert()
    model = get_peft_model(plain, LoraConfig(r=4, target_modules=["query"], use_dora=True))
    for layer in model.modules():
        if hasattr(layer, "lora_B"):
            torch.nn.init.normal_(layer.lora_B["default"].weight, std=0.5)
    model.save_pretrained(tmp_path / "lora")
    model.get_base_model().save_pretrained(tmp_path / "base")
    live, filed = ll.load_adapter(model), ll.load_adapter(tmp_path / "lora")
    assert live.method == filed.method == "dora"
    assert live.caveats == filed.caveats != ()
    one, other = live.modules["query"], filed.modules["query"]
    assert one.magnitude is not None
    assert other.magnitude is not None
    torch.testing.assert_close(one.magnitude, other.magnitude)
    for module in model.modules():
        if hasattr(module, "lora_magnitude_vector"):
            module.lora_magnitude_vector["default"].weight.data *= 2
    assert not torch.equal(ll.load_adapter(model).modules["query"].magnitude, other.magnitude)


def test_a_model_without_an_adapter_is_said_to_have_none() -> None:
    with pytest.raises(AdapterError, match="BertForSequenceClassification, has no adapter"):
        ll.spectrum(bert())


def test_layers_that_were_put_into_a_model_without_peft_around_it() -> None:
    """As transformers' own add_adapter does."""
    torch.manual_seed(0)
    config = LoraConfig(r=4, target_modules=["value"], init_lora_weights=False)
    model = inject_adapter_in_model(config, bert())
    adapter = ll.load_adapter(model)
    assert adapter.modules["value"].names[0] == "bert.encoder.layer.0.attention.self.value"
    assert ll.conversion_similarity(model, "value", 4, draws=0)["A"].values.shape == (3, 3)


def test_another_base_than_the_models_own_may_be_named(tmp_path: Path) -> None:
    model = encoder()
    other = bert()
    with torch.no_grad():
        other.bert.encoder.layer[0].attention.self.value.weight.mul_(2)
    other.save_pretrained(tmp_path / "other")
    own, named = (
        ll.spectrum(model, "value", draws=0, base=base).layers[0].beside_w0.w0_frobenius_norm
        for base in (None, str(tmp_path / "other"))
    )
    assert named == pytest.approx(2 * own)


@pytest.mark.parametrize("kind", ["hqq", "torchao"])
def test_a_quantised_w0_is_what_its_library_makes_of_it(kind: str) -> None:
    """PEFT's own dequantize_module_weight tells these two by what they have."""
    model = encoder()
    layer = model.get_base_model().bert.encoder.layer[0].attention.self.value.get_base_layer()
    true = layer.weight.detach().clone()
    if kind == "hqq":
        layer.W_q = torch.zeros(1)
        layer.dequantize = lambda: true
        del layer.weight
        layer.weight = None
    else:
        packed = type("Packed", (), {"__module__": "torchao.fake", "dequantize": lambda _: true})
        del layer.weight
        object.__setattr__(layer, "weight", packed())
    adapter = ll.load_adapter(model)
    found = open_base_of(adapter).w0(adapter.modules["value"], 0)
    assert torch.equal(found, true)


def test_a_wrapped_model_is_looked_into() -> None:
    model = encoder()
    compiled = torch.compile(model)
    assert ll.load_adapter(compiled).patterns == ll.load_adapter(model).patterns
    assert ll.load_adapter(nn.Sequential(model)).patterns == ll.load_adapter(model).patterns


def test_a_base_that_calls_a_part_of_it_base_model(tmp_path: Path) -> None:
    """As PEFT calls what it wraps."""

    class Scored(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.base_model = bert()

        def forward(self, **inputs: torch.Tensor) -> Any:
            return self.base_model(**inputs)

    config = LoraConfig(
        r=2, target_modules=["query"], alpha_pattern={"encoder.layer.1.attention.self.query": 16}
    )
    model = get_peft_model(Scored(), config)
    model.save_pretrained(tmp_path)
    for adapter in (ll.load_adapter(model), ll.load_adapter(tmp_path)):
        assert adapter.modules["query"].scaling.tolist() == [4, 8, 4]


def test_lora_beside_a_method_that_is_not_read_is_not_all_there_is() -> None:
    model = of_two_methods(LORA, OFTConfig(target_modules=["query"], oft_block_size=4))
    model.set_adapter(["a", "b"])
    with pytest.raises(AdapterError, match="'[ab]', '[ab]' are active"):
        ll.load_adapter(model)


def test_a_head_that_was_drawn_when_the_model_was_loaded_is_no_w0(tmp_path: Path) -> None:
    BertForSequenceClassification(bert().config).bert.save_pretrained(tmp_path / "base")

    def loaded(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return BertForSequenceClassification.from_pretrained(tmp_path / "base")

    model = lora(loaded(0), task_type="SEQ_CLS", modules_to_save=["pooler"])
    with torch.no_grad():
        model.get_base_model().bert.pooler.modules_to_save["default"].dense.weight += 0.1
    model.save_pretrained(tmp_path / "adapter")
    again = PeftModel.from_pretrained(loaded(1), tmp_path / "adapter")
    read = ll.load_adapter(tmp_path / "adapter", tmp_path / "base")
    assert list(read.dense) == ["dense"]
    for one in (model, again):
        live = ll.load_adapter(one)
        assert live.left_out == read.left_out
        assert list(live.dense) == ["dense"]
        assert torch.equal(live.dense["dense"].b, read.dense["dense"].b)
        assert not any("drawn" in note for note in live.notes)
    shutil.rmtree(tmp_path / "base")
    held = ll.load_adapter(again)
    assert {"classifier", "dense"} == set(held.dense)
    assert any("where one of them is a head that was drawn" in note for note in held.notes)


def test_files_of_what_was_loaded_tell_of_which_shape_a_head_was(tmp_path: Path) -> None:
    """Not those that the adapter's configuration names, and a head of other labels is drawn too."""
    two, bare = str(tmp_path / "two"), str(tmp_path / "bare")
    BertForSequenceClassification(bert().config).save_pretrained(two)
    BertForSequenceClassification(bert().config).bert.save_pretrained(bare)

    def read(loaded: str, named: str, labels: int) -> ll.Adapter:
        base = BertForSequenceClassification.from_pretrained(
            loaded, num_labels=labels, ignore_mismatched_sizes=True
        )
        model = lora(base, task_type="SEQ_CLS", modules_to_save=["classifier"])
        model.peft_config["default"].base_model_name_or_path = named
        return ll.load_adapter(model)

    assert not read(two, two, labels=3).dense
    assert not read(bare, two, labels=2).dense
    assert list(read(two, bare, labels=2).dense) == ["classifier"]
