"""CondLoRA in AdaLoRA's form: what is computed, what is counted, what is taken away, what is on disk."""

import json
from pathlib import Path
from unittest import mock

import pytest
import torch
from peft import AdaLoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from tiny_models import CONVENTIONS, KINDS, Kind, thetas

from lora_lens import export_lora, load_adapter
from lora_lens.errors import AdapterError
from lora_lens.training.budget import Budget, budget_of, has_budget
from lora_lens.training.condlora import (
    CondAdaLoraConfig,
    CondLoraConfig,
    get_condlora_model,
    load_condlora_model,
    target_groups,
)
from lora_lens.training.condlora.gate import departure, gates
from lora_lens.training.condlora.triplets import allocation

BERT = KINDS["bert"]
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
both_conventions = pytest.mark.parametrize("convention", CONVENTIONS)


def wrapped(kind: Kind = BERT, convention: str = "consistent", **settings: object) -> PeftModel:
    """θ and Λ with numbers, as training would leave them; in eval mode."""
    targets = kind.targets if convention == "consistent" else kind.square
    config = {
        "task_type": kind.task, "r": 6, "target_r": 4, "total_step": 20, "lora_alpha": 12,
        "target_modules": list(targets), "convention": convention,
    } | kind.settings | settings  # fmt: skip
    model = get_condlora_model(kind.make(), CondAdaLoraConfig(**config))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith((".theta", ".gate")):
                scale = 0.15 if name.endswith("theta") else 0.5
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
    return model.eval()


def plain_weights(model: PeftModel, plain: torch.nn.Module, convention: str):
    """Second route: W0 + s·P·Λ·Q written out, differentiable in θ and Λ."""
    weights, theta, gate = dict(plain.named_parameters()), thetas(model), gates(model, "default")
    changed = {}
    for name, layers in target_groups(model, "default").items():
        for path, layer in layers.items():
            stored = weights[f"{path}.weight"]
            w0 = stored.T if "Conv1D" in str(layer.base_layer) else stored
            p = w0 @ theta[f"{name}.B"]
            q = (
                theta[f"{name}.A"].T @ w0
                if convention == "consistent"
                else (w0 @ theta[f"{name}.A"]).T
            )
            weight = w0 + layer.scaling["default"] * p @ torch.diag(gate[path][:, 0]) @ q
            changed[f"{path}.weight"] = weight.T if stored is not w0 else weight
    return changed


@every_kind
@both_conventions
def test_forward_and_gradients_are_those_of_the_written_out_form_in_float64(
    kind: Kind, convention: str
) -> None:
    model, plain = wrapped(kind, convention).double(), kind.make().double().eval()
    inputs = kind.inputs()
    mine = [*thetas(model).values(), *gates(model, "default").values()]
    assert all(parameter.requires_grad for parameter in mine)
    found = torch.autograd.grad(kind.loss(model), mine)
    second = torch.func.functional_call(
        plain, plain_weights(model, plain, convention), kwargs=inputs
    )
    expected = torch.autograd.grad(second.loss, mine)
    torch.testing.assert_close(kind.logits(model), second.logits.detach(), atol=1e-10, rtol=1e-8)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=1e-7)


def test_it_begins_as_its_base_and_lambda_moves_first() -> None:
    config = CondAdaLoraConfig(task_type="SEQ_CLS", target_modules=["query"], total_step=10)
    model = get_condlora_model(BERT.make(), config)
    torch.testing.assert_close(BERT.logits(model.eval()), BERT.logits(BERT.make().eval()))
    BERT.loss(model).backward()
    assert all(gate.grad.abs().min() > 0 for gate in gates(model, "default").values())
    assert not any(theta.grad.any() for theta in thetas(model).values())


def test_parameters_are_thetas_and_a_vector_a_layer() -> None:
    model = wrapped(target_modules=["query", "value"])
    trained = {name: p.numel() for name, p in model.named_parameters() if p.requires_grad}
    mine = {name: size for name, size in trained.items() if "modules_to_save" not in name}
    # Two modules of 32 × 32 with r = 6, and 3 layers of two modules.
    assert sum(mine.values()) == 2 * (32 + 32) * 6 + 3 * 2 * 6
    assert sum("gate" in name for name in mine) == 6


@every_kind
@both_conventions
def test_save_load_export_and_stock_peft_give_the_same_logits(
    kind: Kind, convention: str, tmp_path: Path
) -> None:
    kind.make().save_pretrained(tmp_path / "base")
    targets = kind.targets if convention == "consistent" else kind.square
    model = wrapped(kind, convention, use_rslora=True, alpha_pattern={targets[0]: 5})
    for number, gate in enumerate(gates(model, "default").values()):
        with torch.no_grad():
            gate[: number % 4] = 0
    expected = kind.logits(model)
    model.save_pretrained(str(tmp_path / "cond"))
    config = json.loads((tmp_path / "cond" / "adapter_config.json").read_text())
    assert (config["peft_type"], config["condadalora_version"]) == ("CONDADALORA", 1)
    tensors = load_file(tmp_path / "cond" / "adapter_model.safetensors")
    assert sum(name.endswith(".lambda") for name in tensors) == len(gates(model, "default"))

    again = load_condlora_model(kind.make(), tmp_path / "cond")
    assert isinstance(again.peft_config["default"], CondAdaLoraConfig)
    torch.testing.assert_close(kind.logits(again), expected, atol=0, rtol=0)

    export_lora(tmp_path / "cond", tmp_path / "plain", tmp_path / "base")
    stock = PeftModel.from_pretrained(kind.make(), str(tmp_path / "plain")).eval()
    torch.testing.assert_close(kind.logits(stock), expected, atol=1e-5, rtol=1e-5)


def test_the_export_has_the_ranks_that_are_left(tmp_path: Path) -> None:
    BERT.make().save_pretrained(tmp_path / "base")
    model = wrapped(target_modules=["query", "value"])
    kept = {}
    with torch.no_grad():
        for number, (path, gate) in enumerate(gates(model, "default").items()):
            gate[number:] = 0  # the first layer keeps none
            kept[path] = number
    model.save_pretrained(str(tmp_path / "cond"))
    export_lora(tmp_path / "cond", tmp_path / "plain", tmp_path / "base")
    config = json.loads((tmp_path / "plain" / "adapter_config.json").read_text())
    assert config["peft_type"] == "LORA"
    assert not {"total_step", "target_r", "condadalora_version", "convention"} & set(config)
    plain, adaptive = (
        load_adapter(tmp_path / "plain"),
        load_adapter(tmp_path / "cond", tmp_path / "base"),
    )
    ranks = {
        name: rank
        for m in plain.modules.values()
        for name, rank in zip(m.names, m.ranks, strict=True)
    }
    assert ranks == {path: rank for path, rank in kept.items() if rank}
    assert adaptive.method == "condadalora"
    assert adaptive.trainable_parameters == 2 * 64 * 6 + sum(kept.values())
    for name, module in adaptive.modules.items():
        torch.testing.assert_close(module.b @ module.a, (plain.modules[name].b @ plain.modules[name].a).double(), atol=1e-6, rtol=1e-5)  # fmt: skip
    stock = PeftModel.from_pretrained(BERT.make(), str(tmp_path / "plain")).eval()
    torch.testing.assert_close(BERT.logits(stock), BERT.logits(model), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("bias", ["lora_only", "all"])
def test_the_export_keeps_the_bias_of_a_layer_that_the_budget_has_left_nothing(
    bias: str, tmp_path: Path
) -> None:
    BERT.make().save_pretrained(tmp_path / "base")
    model = wrapped(target_modules=["query"], bias=bias)
    with torch.no_grad():
        next(iter(gates(model, "default").values())).zero_()
        for name, parameter in model.named_parameters():
            if name.endswith("query.base_layer.bias"):
                parameter.add_(1)
    model.save_pretrained(str(tmp_path / "cond"))
    export_lora(tmp_path / "cond", tmp_path / "plain", tmp_path / "base")
    stock = PeftModel.from_pretrained(BERT.make(), str(tmp_path / "plain")).eval()
    torch.testing.assert_close(BERT.logits(stock), BERT.logits(model), atol=1e-5, rtol=1e-5)


def test_merged_it_is_the_same() -> None:
    model = wrapped()
    expected = BERT.logits(model)
    model.merge_adapter()
    torch.testing.assert_close(BERT.logits(model), expected, atol=1e-5, rtol=1e-5)
    model.unmerge_adapter()
    torch.testing.assert_close(BERT.logits(model), expected, atol=1e-5, rtol=1e-5)


def test_the_penalty_is_adaloras_over_the_layers() -> None:
    model = wrapped(orth_reg_weight=0.3, target_modules=["query", "intermediate.dense"])
    bare = BERT.loss(model)  # in eval mode there is none
    model.train()
    theta, terms = thetas(model), []
    for name, layers in target_groups(model, "default").items():
        for layer in layers.values():
            w0 = layer.get_base_layer().weight
            p, q = w0 @ theta[f"{name}.B"], theta[f"{name}.A"].T @ w0
            terms += [torch.dist(p.T @ p, torch.eye(6)), torch.dist(q @ q.T, torch.eye(6))]
    expected = torch.stack(terms).mean()
    torch.testing.assert_close(departure(model, "default"), expected)
    torch.testing.assert_close(BERT.loss(model), bare + 0.3 * expected)


class Run:
    """As much of a Trainer as the budget asks of it."""

    def __init__(self, model: PeftModel) -> None:
        self.budget, self.model = Budget(model), model
        self.state = mock.Mock(global_step=0, best_metric=0.5)
        trained = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=1e-2)

    def steps(self, count: int) -> None:
        self.model.train()
        for _ in range(count):
            BERT.loss(self.model).backward()
            self.optimizer.step()
            self.budget.on_optimizer_step(mock.Mock(), self.state, mock.Mock())
            self.optimizer.zero_grad()
            self.state.global_step += 1


def lambdas(model: PeftModel) -> dict[str, torch.Tensor]:
    if isinstance(model.peft_config["default"], AdaLoraConfig):
        found = {name: p for name, p in model.named_parameters() if "lora_E" in name}
        return {name: p.detach() for name, p in found.items()}
    return {name: gate.detach() for name, gate in gates(model, "default").items()}


def with_budget(method: str) -> PeftModel:
    torch.manual_seed(3)
    schedule = {"target_r": 4, "tinit": 3, "tfinal": 6, "deltaT": 2, "total_step": 20}
    shared = {
        "task_type": "SEQ_CLS",
        "lora_alpha": 6,
        "target_modules": ["query", "value"],
    } | schedule
    if method == "adalora":
        return get_peft_model(BERT.make(), AdaLoraConfig(init_r=6, **shared))
    return get_condlora_model(BERT.make(), CondAdaLoraConfig(r=6, **shared))


both_methods = pytest.mark.parametrize("method", ["adalora", "condadalora"])


@both_methods
def test_the_budget_is_met_and_stays_met(method: str) -> None:
    run = Run(with_budget(method))
    counts = []
    for _ in range(20):
        run.steps(1)
        counts.append(sum(int((gate != 0).sum()) for gate in lambdas(run.model).values()))
    assert counts[2] == 36  # 3 layers of 2 modules of rank 6: nothing is taken away before tinit
    # Ties at the threshold are all taken away, so that fewer than 24 may be left.
    assert 18 <= counts[14] <= 24
    assert set(counts[14:]) == {counts[14]}
    ranks = run.budget.finish()
    assert len(ranks) == 6
    assert sum(ranks.values()) == counts[-1]
    assert run.state.best_metric is None  # what was best before holds more than the budget


@both_methods
def test_a_resumed_run_allocates_as_if_it_had_not_been_stopped(method: str, tmp_path: Path) -> None:
    whole = Run(with_budget(method))
    whole.steps(20)
    one = Run(with_budget(method))
    one.steps(9)
    one.budget.save(tmp_path)
    other = Run(one.model)
    other.optimizer, other.state.global_step = one.optimizer, 9
    other.budget.load(tmp_path)
    other.steps(11)
    for name, gate in lambdas(whole.model).items():
        torch.testing.assert_close(lambdas(other.model)[name], gate, atol=0, rtol=0)
    assert other.budget.finish() == whole.budget.finish()


def test_it_is_pefts_own_allocator_to_which_lambda_is_lora_e() -> None:
    model = wrapped(target_modules=["query", "value"])
    BERT.loss(model.train()).backward()
    allocator, triplets = allocation(model)
    names = [name for name, _ in triplets.named_parameters()]
    assert len(names) == 3 * 6
    for name, tensor in triplets.named_parameters():
        assert tensor.grad is not None
        if "lora_A" in name:
            assert tensor.shape == (6, 32)
            torch.testing.assert_close(
                tensor.grad.T, thetas(model)[f"{name.split('.')[-3]}.A"].grad
            )
        if "lora_E" in name:
            assert tensor is gates(model, "default")[name.split(".lora_E")[0]]
    assert allocator.init_bgt == 36
    assert allocator.target_bgt == 24


@pytest.mark.parametrize("steps", [2, 3, 5, 40, 1000, 12345])
@pytest.mark.parametrize("rank", [1, 8, 16])
def test_every_schedule_is_one_that_both_accept(steps: int, rank: int) -> None:
    budget = budget_of(steps, rank, alpha=2 * rank)
    AdaLoraConfig(**budget)
    ours = CondAdaLoraConfig(**{"r" if k == "init_r" else k: v for k, v in budget.items()})
    assert ours.lora_alpha / ours.r == pytest.approx(2)
    assert budget["target_r"] == rank
    if steps >= 1000:
        assert budget["tinit"] == round(0.1 * steps)
        assert budget["tfinal"] == round(0.4 * steps)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"target_r": 6}, "target_r is 6, expected from 1 to below r"),
        ({"target_r": 0}, "target_r is 0"),
        ({"total_step": None}, "total_step is None, expected the number of training steps"),
        ({"tinit": 15, "tfinal": 5}, "tinit 15 and tfinal 5 of 20 steps leave none"),
        ({"tfinal": 0}, "tfinal from 1"),
        ({"deltaT": 0}, "deltaT is 0"),
        ({"beta1": 1.0}, "beta1 1.0"),
        ({"orth_reg_weight": -0.1}, "orth_reg_weight is -0.1, expected at least 0"),
        ({"use_dora": True}, "use_dora cannot be set"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, object], words: str) -> None:
    with pytest.raises(AdapterError, match=words):
        CondAdaLoraConfig(**({"r": 6, "target_r": 4, "total_step": 20} | settings))


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    BERT.make().save_pretrained(tmp_path / "base")
    wrapped(target_modules=["query"]).save_pretrained(str(tmp_path / "ada"))
    config = tmp_path / "ada" / "adapter_config.json"
    whole = json.loads(config.read_text())
    config.write_text(json.dumps(whole | {"condadalora_version": 2}))
    for read in (lambda: load_adapter(tmp_path / "ada", tmp_path / "base"), lambda: load_condlora_model(BERT.make(), tmp_path / "ada")):  # fmt: skip
        with pytest.raises(AdapterError, match="condadalora_version 2, and this lora-lens reads 1"):
            read()
    config.write_text(json.dumps(whole))
    plain = get_condlora_model(
        BERT.make(), CondLoraConfig(task_type="SEQ_CLS", r=6, target_modules=["query"])
    )
    with pytest.raises(AdapterError, match=r"has besides .*query\.lambda"):
        plain.load_adapter(str(tmp_path / "ada"), "default")
    with pytest.raises(AdapterError, match="has no budget; make it with a CondAdaLoraConfig"):
        allocation(plain)
    assert not has_budget(plain)


def test_peft_alone_refuses_it() -> None:
    config = CondAdaLoraConfig(task_type="SEQ_CLS", target_modules=["query"], total_step=9)
    with pytest.raises(AdapterError, match="get_condlora_model"):
        get_peft_model(BERT.make(), config)
