"""CondLoRA among PEFT's operations: several adapters, merging, scaling, heads, and what it refuses."""

import copy
import math
import pickle

import pytest
import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model, inject_adapter_in_model
from peft.tuners.lora import Linear
from tiny_models import CONVENTIONS, KINDS, plain_weights, thetas, trained_looking
from torch import nn

from lora_lens.errors import AdapterError
from lora_lens.training.condlora import CondLoraConfig, get_condlora_model, target_groups
from lora_lens.training.condlora.tying import tie_factors

BERT = KINDS["bert"]
CLOSE = {"atol": 1e-6, "rtol": 1e-5}
both_conventions = pytest.mark.parametrize("convention", CONVENTIONS)


def by_the_paper(model: PeftModel, convention: str, adapter: str = "default") -> torch.Tensor:
    plain = BERT.make().eval()
    plain.load_state_dict(head(model, adapter), strict=False)
    changed = plain_weights(model, plain, convention, adapter)
    with torch.no_grad():
        return torch.func.functional_call(plain, changed, kwargs=BERT.inputs()).logits


def head(model: PeftModel, adapter: str) -> dict[str, torch.Tensor]:
    mark = f"modules_to_save.{adapter}."
    state = model.get_base_model().state_dict()
    return {name.replace(mark, ""): tensor for name, tensor in state.items() if mark in name}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_theta_is_one_parameter_however_many_layers_share_it(kind) -> None:
    model = kind.wrapped().train()
    groups = target_groups(model, "default")
    named = [name for name, p in model.named_parameters() if "theta" in name and p.requires_grad]
    assert len(named) == 2 * len(groups) < 2 * sum(map(len, groups.values()))
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    held = [p for group in optimizer.param_groups for p in group["params"]]
    assert len({id(p) for p in held}) == len(held)
    assert {id(p) for p in thetas(model).values()} <= {id(p) for p in held}
    for layers in groups.values():
        for factor in ("lora_A", "lora_B"):
            assert (
                len({id(getattr(layer, factor)["default"].theta) for layer in layers.values()}) == 1
            )
    before = kind.loss(model)
    before.backward()
    optimizer.step()
    assert kind.loss(model) != before


def test_encoder_and_decoder_have_thetas_of_their_own_under_unambiguous_names() -> None:
    groups = target_groups(KINDS["t5"].wrapped(target_modules=["q"]), "default")
    assert {name: list(layers) for name, layers in groups.items()} == {
        f"{stack}.block.*.layer.0.SelfAttention.q": [
            f"{stack}.block.{k}.layer.0.SelfAttention.q" for k in range(2)
        ]
        for stack in ("encoder", "decoder")
    } | {"EncDecAttention.q": [f"decoder.block.{k}.layer.1.EncDecAttention.q" for k in range(2)]}


def test_rank_stabilised_scaling_alpha_patterns_and_chosen_layers() -> None:
    model = BERT.wrapped(
        use_rslora=True,
        layers_to_transform=[0, 2],
        alpha_pattern={"layer.2.attention.self.query": 32},
        target_modules=["query", "value"],
    )
    groups = target_groups(model, "default")
    scalings = {
        path: layer.scaling["default"]
        for layers in groups.values()
        for path, layer in layers.items()
    }
    assert scalings == {
        f"bert.encoder.layer.{k}.attention.self.{name}": (
            32 if (k, name) == (2, "query") else 8
        ) / math.sqrt(4)
        for k in (0, 2)
        for name in ("query", "value")
    }  # fmt: skip
    torch.testing.assert_close(BERT.logits(model), by_the_paper(model, "consistent"), **CLOSE)


def two_adapters() -> PeftModel:
    model = BERT.wrapped("consistent", target_modules=["query", "value"])
    second = CondLoraConfig(
        task_type="SEQ_CLS", r=2, lora_alpha=6, convention="stored", target_modules=["value", "key"]
    )
    model.add_adapter("second", second)
    for name, theta in thetas(model, "second").items():
        torch.manual_seed(len(name))
        theta.data.normal_(std=0.1)
    return model.eval()


def test_two_adapters_of_both_conventions_side_by_side() -> None:
    model = two_adapters()
    first = BERT.logits(model)
    torch.testing.assert_close(first, by_the_paper(model, "consistent"), **CLOSE)
    assert not any(theta.requires_grad for theta in thetas(model, "second").values())
    model.set_adapter("second")
    second = BERT.logits(model)
    torch.testing.assert_close(second, by_the_paper(model, "stored", "second"), **CLOSE)
    assert all(theta.requires_grad for theta in thetas(model, "second").values())
    assert not any(theta.requires_grad for theta in thetas(model).values())
    assert (first - second).abs().max() > 0.01
    model.set_adapter("default")
    torch.testing.assert_close(BERT.logits(model), first, atol=0, rtol=0)
    model.set_adapter("second")
    model.delete_adapter("default")
    torch.testing.assert_close(BERT.logits(model), second, **CLOSE)
    assert not any("default.theta" in name for name, _ in model.named_parameters())


def test_two_adapters_at_once_add_up_in_forward_gradient_and_merged() -> None:
    kind = KINDS["llama"]
    model = kind.wrapped("consistent")
    model.add_adapter(
        "second", CondLoraConfig(r=2, convention="stored", target_modules=["q_proj", "o_proj"])
    )
    trained_looking(model).double()
    model.base_model.set_adapter(["default", "second"])
    plain = kind.make().double().eval()
    weights = dict(plain.named_parameters())
    one = plain_weights(model, plain, "consistent")
    other = plain_weights(model, plain, "stored", "second")
    both = {
        path: weights[path] + sum(w[path] - weights[path] for w in (one, other) if path in w)
        for path in {*one, *other}
    }
    expected = torch.func.functional_call(plain, both, kwargs=kind.inputs())
    got = model(**kind.inputs())
    torch.testing.assert_close(got.logits, expected.logits, atol=1e-11, rtol=1e-11)
    theta = [*thetas(model).values(), *thetas(model, "second").values()]
    for mine, theirs in zip(
        torch.autograd.grad(got.loss, theta), torch.autograd.grad(expected.loss, theta), strict=True
    ):
        torch.testing.assert_close(mine, theirs, atol=1e-11, rtol=1e-9)
    model.merge_adapter()
    torch.testing.assert_close(kind.logits(model), expected.logits, atol=1e-11, rtol=1e-11)
    model.unmerge_adapter()
    torch.testing.assert_close(kind.logits(model), expected.logits, atol=1e-11, rtol=1e-11)


def test_condlora_and_plain_lora_at_once_add_up_in_forward_gradient_and_merged() -> None:
    kind = KINDS["llama"]
    model = kind.wrapped("consistent")
    both_kinds = LoraConfig(r=2, target_modules=["q_proj", "o_proj"], init_lora_weights=False)
    model.add_adapter("plain", both_kinds)
    model.double().base_model.set_adapter(["default", "plain"])
    plain = kind.make().double().eval()
    weights = dict(plain.named_parameters())
    changed = plain_weights(model, plain, "consistent")
    for path, layer in model.get_base_model().named_modules():
        if isinstance(layer, Linear) and "plain" in layer.lora_A:
            product = layer.lora_B["plain"].weight @ layer.lora_A["plain"].weight
            name = f"{path}.weight"
            changed[name] = changed.get(name, weights[name]) + layer.scaling["plain"] * product
    expected = torch.func.functional_call(plain, changed, kwargs=kind.inputs())
    got = model(**kind.inputs())
    torch.testing.assert_close(got.logits, expected.logits, atol=1e-11, rtol=1e-11)
    theta = list(thetas(model).values())
    for mine, theirs in zip(
        torch.autograd.grad(got.loss, theta), torch.autograd.grad(expected.loss, theta), strict=True
    ):
        torch.testing.assert_close(mine, theirs, atol=1e-11, rtol=1e-9)
    model.merge_adapter(safe_merge=True)
    torch.testing.assert_close(kind.logits(model), expected.logits, atol=1e-11, rtol=1e-11)
    model.unmerge_adapter()
    torch.testing.assert_close(kind.logits(model), expected.logits, atol=1e-11, rtol=1e-11)


def test_a_batch_of_mixed_adapters() -> None:
    model = two_adapters()
    names = ["default", "second"]
    with torch.no_grad():
        mixed = model(**BERT.inputs(), adapter_names=names).logits
    for row, name in enumerate(names):
        model.set_adapter(name)
        torch.testing.assert_close(mixed[row], BERT.logits(model)[row], **CLOSE)


@both_conventions
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("safe", [True, False])
def test_merge_and_unload_leaves_a_plain_model(kind, convention: str, safe: bool) -> None:
    model = kind.wrapped(convention).double()
    expected = kind.logits(model)
    with model.disable_adapter():
        assert (kind.logits(model) - expected).abs().max() > 0.01
    torch.testing.assert_close(kind.logits(model), expected, atol=0, rtol=0)
    merged = model.merge_and_unload(safe_merge=safe)
    assert not any("lora" in name or "theta" in name for name, _ in merged.named_modules())
    torch.testing.assert_close(kind.logits(merged), expected, atol=1e-11, rtol=1e-11)


def test_a_safe_merge_that_finds_nan_changes_nothing() -> None:
    model = BERT.wrapped()
    expected = BERT.logits(model)
    theta = next(iter(thetas(model).values()))
    kept = theta.detach().clone()
    theta.data.fill_(torch.nan)
    with pytest.raises(ValueError, match="NaN"):
        model.merge_adapter(safe_merge=True)
    theta.data.copy_(kept)
    torch.testing.assert_close(BERT.logits(model), expected, atol=0, rtol=0)


def test_a_copy_has_weights_of_its_own() -> None:
    model = BERT.wrapped()
    expected = BERT.logits(model)
    twin = copy.deepcopy(model)
    for theta in thetas(model).values():
        theta.data.zero_()
    torch.testing.assert_close(BERT.logits(twin), expected, atol=0, rtol=0)


@pytest.mark.parametrize("merged", [False, True])
def test_a_model_comes_back_from_pickle_tied(merged: bool) -> None:
    model = BERT.wrapped()
    expected = BERT.logits(model)
    if merged:
        model.merge_adapter()
    twin = pickle.loads(pickle.dumps(model))
    assert type(twin) is type(model)
    if merged:
        twin.unmerge_adapter()
    torch.testing.assert_close(BERT.logits(twin), expected, **CLOSE)
    names = [name for name, _ in twin.named_parameters() if "theta" in name]
    assert len(names) == len(thetas(model))


def test_the_configuration_given_stays_as_it_was() -> None:
    config = CondLoraConfig(
        task_type="SEQ_CLS", target_modules=["query"], modules_to_save=["pooler"]
    )
    before = copy.deepcopy(config)
    get_condlora_model(BERT.make(), config).add_adapter("second", config)
    assert config == before


@pytest.mark.parametrize("wrap", [get_peft_model, lambda m, c: inject_adapter_in_model(c, m)])
def test_peft_does_not_make_plain_lora_of_it_unseen(wrap) -> None:
    config = CondLoraConfig(task_type="SEQ_CLS", target_modules=["query"])
    with pytest.raises(AdapterError, match="get_condlora_model"):
        wrap(BERT.make(), config)
    plain = get_peft_model(BERT.make(), LoraConfig(target_modules=["query"]))
    with pytest.raises(ValueError, match="CONDLORA"):
        plain.add_adapter("second", config)


def test_a_model_that_carries_adapters_is_an_error_and_keeps_them() -> None:
    model = BERT.wrapped()
    expected = BERT.logits(model)
    config = CondLoraConfig(task_type="SEQ_CLS", target_modules=["query"])
    for carrying in (model, model.get_base_model()):
        with pytest.raises(AdapterError, match=r"layer.0.*carries adapters already.*unload"):
            get_condlora_model(carrying, config)
    torch.testing.assert_close(BERT.logits(model), expected, atol=0, rtol=0)
    get_condlora_model(model.unload(), config)


def test_a_configuration_of_plain_lora_is_an_error() -> None:
    with pytest.raises(AdapterError, match="is a LoraConfig, expected a CondLoraConfig"):
        get_condlora_model(BERT.make(), LoraConfig(target_modules=["query"]))


def test_theta_has_memory_where_pefts_own_factors_have_none() -> None:
    model = BERT.wrapped()
    second = CondLoraConfig(task_type="SEQ_CLS", target_modules=["query"])
    model.add_adapter("second", second, low_cpu_mem_usage=True)
    for name, theta in thetas(model, "second").items():
        assert theta.device.type == "cpu"
        assert bool(theta.any()) == name.endswith("A")


def test_heads_train_beside_theta() -> None:
    model = BERT.wrapped(modules_to_save=["pooler"]).train()
    BERT.loss(model).backward()
    trained = {name for name, p in model.named_parameters() if p.grad is not None}
    assert {
        name.split("modules_to_save")[0].split(".")[-2] for name in trained if "theta" not in name
    } == {
        "pooler",
        "classifier",
    }
    assert sum("theta" in name for name in trained) == len(thetas(model))


def test_task_types_may_be_pefts_enumeration() -> None:
    model = get_condlora_model(
        BERT.make(), CondLoraConfig(task_type=TaskType.SEQ_CLS, target_modules=["query"])
    )
    assert any("modules_to_save" in name for name, _ in model.named_parameters())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target_modules": ["nowhere"]}, "nowhere"),
        ({"target_modules": ["query", "LayerNorm"]}, "LayerNorm"),
        ({"target_modules": ["word_embeddings"]}, "word_embeddings is a Embedding, "),
        ({"target_modules": ["pooler.dense"]}, "pooler.dense is in no layer"),
        ({"target_modules": ["intermediate.dense"], "convention": "stored"}, "square"),
    ],
)
def test_what_cannot_be_tied_is_an_error_and_leaves_the_model_as_it_was(
    settings: dict[str, object], message: str
) -> None:
    base = BERT.make().eval()
    expected, modules = BERT.logits(base), [name for name, _ in base.named_modules()]
    with pytest.raises(AdapterError, match=message) as caught:
        get_condlora_model(base, CondLoraConfig(task_type="SEQ_CLS", **settings))
    assert "\n" not in str(caught.value)
    assert [name for name, _ in base.named_modules()] == modules
    torch.testing.assert_close(BERT.logits(base), expected, atol=0, rtol=0)


def test_an_adapter_that_cannot_be_added_leaves_the_first() -> None:
    model = BERT.wrapped()
    expected = BERT.logits(model)
    wrong = CondLoraConfig(
        task_type="SEQ_CLS", target_modules=["intermediate.dense"], convention="stored"
    )
    with pytest.raises(AdapterError, match="square"):
        model.add_adapter("wrong", wrong)
    assert list(model.peft_config) == ["default"]
    torch.testing.assert_close(BERT.logits(model), expected, atol=0, rtol=0)


def test_factors_are_never_taken_from_a_merged_w0() -> None:
    model = BERT.wrapped()
    model.merge_adapter()
    with pytest.raises(AdapterError, match="unmerge_adapter"):
        tie_factors(model, "default")


def test_quantised_weights_are_an_error() -> None:
    base = BERT.make()
    query = base.bert.encoder.layer[1].attention.self.query
    query.weight = nn.Parameter(query.weight.to(torch.int8), requires_grad=False)
    with pytest.raises(AdapterError, match=r"layer\.1\.attention.*torch.int8.*quantisation"):
        get_condlora_model(base, CondLoraConfig(target_modules=["query"]))


def test_layers_that_peft_adapts_in_a_way_of_their_own_are_an_error() -> None:
    class OfAnotherBackend(Linear):
        """As PEFT's layers for weights that pass for floating point but are not (torchao's)."""

    config = CondLoraConfig(target_modules=["query"])
    config._register_custom_module({nn.Linear: OfAnotherBackend})
    with pytest.raises(AdapterError, match=r"query is a Linear.*OfAnotherBackend.*not quantised"):
        get_condlora_model(BERT.make(), config)


@pytest.mark.parametrize(
    "settings",
    [
        {"r": 0},
        {"lora_bias": True},
        {"layer_replication": [(0, 2)]},
        {"target_parameters": ["experts.weight"]},
        {"alora_invocation_tokens": [1, 2], "task_type": "CAUSAL_LM"},
    ],
)
def test_variants_of_lora_are_refused_by_name(settings: dict[str, object]) -> None:
    with pytest.raises(AdapterError, match=next(iter(settings))):
        CondLoraConfig(target_modules=["query"], **settings)
