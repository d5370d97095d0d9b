"""Where another adapter's layers are of one θ, and where nothing is said of their mean, by what the other is."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from noise import noise_adapters
from torch import Tensor

import lora_lens as ll
from lora_lens.questions.shared.result import SharedResult
from lora_lens.sources import Source, StandIn

MIXED = 0.5**0.5


@cache
def w0() -> Tensor:
    adapter = ll.load_adapter(ll.demo_adapter("lora"))
    base = ll.open_base(adapter.base_model)
    return torch.stack([base.w0(adapter.modules["value"], k) for k in range(6)]).double()


def of_one_theta(own: ll.Adapter, seed: int, *, stored: bool = False) -> ll.Adapter:
    """B_l = W_l θ and A_lᵀ = W_lᵀ θ', or W_l θ' as CondLoRA's `stored` convention has it."""
    b, a = torch.randn(2, 384, 8, generator=torch.Generator().manual_seed(seed)).double()
    value = own.modules["value"]
    made = replace(value, b=w0() @ b, a=((w0() if stored else w0().mT) @ a).mT.contiguous())
    return replace(own, modules={"value": made})


def carried(one: ll.Adapter, other: ll.Adapter, **asked: str) -> SharedResult:
    return ll.shared_subspace(one, "value", other=other, draws=39, **asked)  # type: ignore[arg-type]


def test_of_one_theta_flips_are_of_theta() -> None:
    (own,) = noise_adapters("leading", 1)
    found = carried(own, of_one_theta(own, 1))
    for matrix in ("A", "B"):
        one = found[matrix].carried
        assert one is not None
        assert one.of_one_theta
        assert not one.unknown
        assert one.to_dict()["hang_together"] > 0.9
        assert set(one.nulls) == {"flipped", "uniform"}
        # Their mean is that of each layer alone but for the draws', who are 39.
        null = one.nulls["flipped"]
        assert abs(null.mean - np.mean(one.by_layer.mean)) < null.sd
    assert sum("one θ made" in note for note in found.notes) == 2


def test_where_one_theta_made_a_part_nothing_is_said() -> None:
    own, like = noise_adapters("leading", 2)
    whole, value = of_one_theta(own, 1).modules["value"], like.modules["value"]

    def mixed(one: Tensor, other: Tensor) -> Tensor:
        return MIXED * (one / one.norm() + other / other.norm())

    half = replace(value, a=mixed(whole.a, value.a), b=mixed(whole.b, value.b))
    found = carried(own, replace(like, modules={"value": half}))
    for matrix in ("A", "B"):
        one = found[matrix].carried
        assert one is not None
        assert one.unknown
        assert 0.2 <= one.to_dict()["hang_together"] < 0.9
        assert not one.nulls
        assert one.detectable is None
    assert sum("nothing is claimed of the mean" in note for note in found.notes) == 2
    assert "no draws of chance are known" in found.summary
    assert not any("other" in one.label for one in found.findings if one.word != "not seen")
    # Two LoRA are tested as ever.
    plain = carried(own, like)
    assert all(set(plain[matrix].carried.nulls) == {"flipped", "uniform"} for matrix in "AB")  # type: ignore[union-attr]


@pytest.mark.parametrize("source", [None, "gaussian"])
def test_what_was_made_of_something_else_is_not_tested(source: Source | None) -> None:
    """A that a θ made of W0 and not of W0ᵀ, and both factors where a control stood for W0."""
    (own,) = noise_adapters("leading", 1)
    other = of_one_theta(own, 1, stored=True)
    other = replace(other, method="CondLoRA", convention="stored")
    if source:
        names = other.modules["value"].names
        other = replace(other, stand_ins={name: StandIn(source, name) for name in names})
    found = carried(own, other, convention="consistent")
    a, b = found["A"].carried, found["B"].carried
    assert a is not None
    assert b is not None
    assert a.unknown
    assert b.unknown is (source is not None)
    assert b.of_one_theta
