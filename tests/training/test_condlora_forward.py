"""The fast forward and its backward against the paper's formula under plain autograd."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from unittest import mock

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny_models import CONVENTIONS, KINDS, Kind, plain_weights, thetas
from torch import nn

from lora_lens.training.condlora import target_groups
from lora_lens.training.condlora.layer import CondLoraLinear
from lora_lens.training.condlora.update import LowRankUpdate, Plan

every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
both_conventions = pytest.mark.parametrize("convention", CONVENTIONS)


@contextmanager
def only_peft() -> Iterator[None]:
    """PEFT's own forward over the factors' weights, as a batch of mixed adapters takes it."""
    with mock.patch.object(CondLoraLinear, "_fast", return_value=False):
        yield


def gradients(kind: Kind, model: nn.Module) -> dict[str, torch.Tensor]:
    model.zero_grad()
    kind.loss(model).backward()
    return {name: theta.grad.clone() for name, theta in thetas(model).items()}


@every_kind
@both_conventions
@pytest.mark.parametrize("fast", [True, False])
def test_logits_and_theta_gradients_equal_plain_autograd_in_float64(
    kind: Kind, convention: str, fast: bool
) -> None:
    model = kind.wrapped(convention).double()
    plain = kind.make().double().eval()
    heads = {n: p for n, p in model.get_base_model().named_parameters() if "modules_to_save" in n}
    for name, parameter in heads.items():
        plain.get_parameter(name.replace("modules_to_save.default.", "")).data.copy_(parameter)
    theta = thetas(model)
    changed = plain_weights(model, plain, convention)
    expected = torch.func.functional_call(plain, changed, kwargs=kind.inputs())
    theirs = torch.autograd.grad(expected.loss, list(theta.values()))
    with nullcontext() if fast else only_peft():
        got = model(**kind.inputs())
        mine = torch.autograd.grad(got.loss, list(theta.values()))
    torch.testing.assert_close(got.logits, expected.logits, atol=1e-11, rtol=1e-11)
    assert (got.logits - kind.logits(plain)).abs().max() > 0.01
    for one, other in zip(mine, theirs, strict=True):
        assert other.abs().max() > 1e-6
        torch.testing.assert_close(one, other, atol=1e-11, rtol=1e-9)


@every_kind
@both_conventions
def test_forward_equals_merged_weights(kind: Kind, convention: str) -> None:
    model = kind.wrapped(convention)
    layers = [
        layer for group in target_groups(model, "default").values() for layer in group.values()
    ]
    inputs = [torch.randn(7, layer.in_features) for layer in layers]
    with torch.no_grad():
        before = [layer(x) for layer, x in zip(layers, inputs, strict=True)]
        model.merge_adapter()
        after = [layer(x) for layer, x in zip(layers, inputs, strict=True)]
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6 * other.abs().max().item(), rtol=0)

    model = kind.wrapped(convention).double()
    expected = kind.logits(model)
    model.merge_adapter()
    torch.testing.assert_close(kind.logits(model), expected, atol=1e-12, rtol=1e-10)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("convention", "through_y", "from_y"),
    [
        ("consistent", True, True),
        ("consistent", True, False),
        ("consistent", False, False),
        ("stored", False, False),
    ],
)
def test_one_layer_passes_gradcheck(
    convention: str, through_y: bool, from_y: bool, bias: bool
) -> None:
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    out, inner = (5, 3) if convention == "consistent" else (4, 4)
    w0, b = random(out, inner), random(out) if bias else None
    plan = Plan(convention == "consistent", through_y, from_y, 1.7, torch.float64)

    def layer(x: torch.Tensor, theta_a: torch.Tensor, theta_b: torch.Tensor) -> torch.Tensor:
        y = nn.functional.linear(x, w0, b)
        return LowRankUpdate.apply(y, x, theta_a, theta_b, w0, b, plan)

    rows = out if convention == "consistent" else inner
    inputs = [t.requires_grad_() for t in (random(2, 3, inner), random(rows, 2), random(inner, 2))]
    assert torch.autograd.gradcheck(layer, inputs)


@every_kind
@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing_gives_the_same_gradients(kind: Kind, reentrant: bool) -> None:
    model = kind.wrapped().double().train()
    expected = gradients(kind, model)
    model.enable_input_require_grads()
    model.get_base_model().gradient_checkpointing_enable({"use_reentrant": reentrant})
    got = gradients(kind, model)
    for name, gradient in expected.items():
        torch.testing.assert_close(got[name], gradient, atol=1e-12, rtol=1e-10)


@every_kind
@both_conventions
def test_bfloat16_autocast_is_close_to_float32(kind: Kind, convention: str) -> None:
    model = kind.wrapped(convention)
    expected, exact = kind.logits(model), gradients(kind, model)
    errors: list[dict[str, float]] = []
    for context in (nullcontext(), only_peft()):
        model.zero_grad()
        with context, torch.autocast("cpu", dtype=torch.bfloat16):
            output = model(**kind.inputs())
        output.loss.backward()
        assert (output.logits - expected).abs().max() < 0.05 * expected.abs().max()  # 8 bits
        assert all(theta.grad.dtype == torch.float32 for theta in thetas(model).values())
        errors.append(
            {
                name: ((theta.grad - exact[name]).norm() / exact[name].norm()).item()
                for name, theta in thetas(model).items()
            }
        )
    for name, error in errors[0].items():
        assert error < max(0.1, 1.5 * errors[1][name]), name


@pytest.mark.parametrize("autocast", [False, True])
@both_conventions
def test_a_bfloat16_base_is_as_near_to_the_truth_as_pefts_lora_with_the_same_factors(
    convention: str, autocast: bool
) -> None:
    for kind in (KINDS["bert"], KINDS["llama"]):
        model = kind.wrapped(convention)
        model.get_base_model().bfloat16()
        for theta in thetas(model).values():
            theta.data = theta.data.float()
        truth = kind.logits(_as_float32(kind, model, convention))
        lora = _as_lora(kind, model)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            mine, theirs = kind.logits(model), kind.logits(lora)
        assert mine.dtype == theirs.dtype == torch.bfloat16
        errors = [(logits.float() - truth).norm().item() for logits in (mine, theirs)]
        assert errors[0] < 1.5 * errors[1] + 1e-3
        model.train()
        kind.loss(model).backward()
        assert all(theta.grad.dtype == torch.float32 for theta in thetas(model).values())


def _as_lora(kind: Kind, model: nn.Module) -> nn.Module:
    """PEFT's LoRA on the same base, with A and B as our factors give them."""
    groups = target_groups(model, "default")
    paths = [path for layers in groups.values() for path in layers]
    config = LoraConfig(
        task_type=kind.task, r=4, lora_alpha=8, target_modules=paths,
        fan_in_fan_out=bool(kind.settings.get("fan_in_fan_out")),
    )  # fmt: skip
    base = kind.make().to(next(model.get_base_model().parameters()).dtype)
    lora = get_peft_model(base, config)
    for layers in groups.values():
        for path, layer in layers.items():
            other = lora.get_base_model().get_submodule(path)
            for factor in ("lora_A", "lora_B"):
                weight = getattr(layer, factor)["default"].weight.detach()
                assert getattr(other, factor)["default"].weight.dtype == weight.dtype
                getattr(other, factor)["default"].weight.data.copy_(weight)
    return lora.eval()


def _as_float32(kind: Kind, model: nn.Module, convention: str) -> nn.Module:
    plain = kind.make().bfloat16().float().eval()
    for name, weight in plain_weights(model, plain, convention).items():
        plain.get_parameter(name).data.copy_(weight.detach())
    return plain


@every_kind
@both_conventions
def test_dropout_draws_and_scales_as_pefts_lora(kind: Kind, convention: str) -> None:
    model = kind.wrapped(convention, lora_dropout=0.3)
    lora = _as_lora(kind, model)
    still = kind.logits(model)
    torch.testing.assert_close(still, kind.logits(lora), atol=1e-5, rtol=1e-5)
    for module in lora.modules():
        if hasattr(module, "lora_dropout"):
            module.lora_dropout["default"] = nn.Dropout(0.3)
    drawn = []
    for one in (model, lora):
        torch.manual_seed(3)
        drawn.append(kind.logits(one.train()))
    torch.testing.assert_close(drawn[0], drawn[1], atol=1e-5, rtol=1e-5)
    assert (drawn[0] - still).abs().max() > 1e-3
    torch.manual_seed(3)
    fast = gradients(kind, model)
    torch.manual_seed(3)
    with only_peft():
        slow = gradients(kind, model)
    for name, gradient in slow.items():
        torch.testing.assert_close(fast[name], gradient, atol=1e-5, rtol=1e-3)


@both_conventions
def test_no_tokens_at_all_pass_through(convention: str) -> None:
    """As when no token of a batch is sent to one of a mixture's experts."""
    model = KINDS["llama"].wrapped(convention).train()
    layer = next(iter(target_groups(model, "default")["q_proj"].values()))
    x = torch.zeros(0, 32, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad.shape == (0, 32)


def test_biases_that_train_get_their_own_gradients() -> None:
    kind = KINDS["bert"]
    model = kind.wrapped(bias="lora_only").double()
    biases = {n: p for n, p in model.named_parameters() if n.endswith("base_layer.bias")}
    assert biases
    assert all(bias.requires_grad for bias in biases.values())
    found = []
    for context in (nullcontext(), only_peft()):
        with context:
            loss = kind.loss(model)
        found.append(torch.autograd.grad(loss, list(biases.values())))
    for fast, slow in zip(*found, strict=True):
        torch.testing.assert_close(fast, slow, atol=1e-12, rtol=1e-9)


def test_a_large_bias_costs_float32_no_more_than_its_share() -> None:
    """Of y − b about eps·|b| is lost; with |b| a hundred times x W0ᵀ that is 1e-5 of the update."""
    generator = torch.Generator().manual_seed(0)
    w0, x = (torch.randn(s, 64, generator=generator) for s in (64, 256))
    theta_a, theta_b = (torch.randn(64, 4, generator=generator) / 8 for _ in range(2))
    bias = 100 * (x @ w0.T).std() * torch.randn(64, generator=generator)
    y = nn.functional.linear(x, w0, bias)
    got = LowRankUpdate.apply(
        y, x, theta_a, theta_b, w0, bias, Plan(True, True, True, 1.0, torch.float32)
    )
    x64, w64 = x.double(), w0.double()
    update = x64 @ (theta_a.double().T @ w64).T @ (w64 @ theta_b.double()).T
    expected = x64 @ w64.T + bias.double() + update
    assert (got - expected).abs().max() < 1e-4 * update.abs().max()


def test_what_is_kept_for_backward_is_no_more_than_loras() -> None:
    from lora_lens.training.speed import training_speed

    kind = KINDS["llama"]
    model = kind.wrapped().train()
    lora = _as_lora(kind, model).train()
    ids = torch.arange(320).reshape(32, 10) % 50
    speeds = training_speed(
        {"ours": model, "lora": lora}, {"input_ids": ids, "labels": ids}, steps=1, warm_up=0
    )
    assert speeds["ours"].bytes < 1.02 * speeds["lora"].bytes
