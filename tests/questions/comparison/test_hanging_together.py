"""Two adapters each of one θ, exported as LoRA: φ of all layers goes up and down at once, and the claims allow for it."""

from dataclasses import replace

import pytest
import torch
from noise import noise_adapters

import lora_lens as ll
from lora_lens.chance.flips import directions
from lora_lens.questions.comparison import nulls


@pytest.fixture
def pairs(monkeypatch: pytest.MonkeyPatch) -> "Pairs":
    kept: dict[bytes, object] = {}

    def once(w, cutoff):  # type: ignore[no-untyped-def]
        key = w.double().numpy().tobytes()
        if key not in kept:
            kept[key] = directions(w, cutoff)
        return kept[key]

    monkeypatch.setattr(nulls, "directions", once)
    return Pairs()


class Pairs:
    """Adapters of MiniLM's value, in which one θ made a share of the energy of every layer's B and A."""

    def __init__(self) -> None:
        self.like = ll.load_adapter(ll.demo_adapter("lora"))
        value, base = self.like.modules["value"], ll.open_base(self.like.base_model)
        self.w0 = torch.stack([base.w0(value, k) for k in range(6)]).double()

    def made(self, seed: int, share: float = 1.0) -> ll.Adapter:
        generator = torch.Generator().manual_seed(seed)
        own = torch.randn(2, 6, 384, 8, generator=generator, dtype=torch.float64)
        one = torch.randn(2, 384, 8, generator=generator, dtype=torch.float64)
        b, a = (
            share**0.5 * w @ theta / (w @ theta).norm()
            + (1 - share) ** 0.5 * w @ each / (w @ each).norm()
            for w, theta, each in zip((self.w0, self.w0.mT), one, own, strict=True)
        )
        value = replace(self.like.modules["value"], b=b, a=a.mT.contiguous())
        return replace(self.like, modules={"value": value})


def test_flips_are_of_theta_and_claims_are_no_more_than_stated(pairs: Pairs) -> None:
    """Of independent flips, about a third of these called the mean φ more or less alike."""
    said, narrow, count = 0, 0, 20
    for seed in range(count):
        found = ll.compare(pairs.made(2 * seed), pairs.made(2 * seed + 1), "value", draws=39)
        for matrix in ("A", "B"):
            baseline = found[matrix].baselines["flipped"]
            independent = float((baseline.sd**2).sum() ** 0.5 / 6)
            narrow += independent < 0.8 * baseline.mean_sd
            test = found[matrix].tests["flipped"].of_mean
            said += test.p_two_sided <= 0.05
        assert not found["B"].of_one_theta
    assert narrow > count  # of 40
    assert said <= 7  # 2 expected of 40; 8 or more in one case of 1,800


def test_of_a_part_nothing_is_claimed(pairs: Pairs) -> None:
    found = ll.compare(pairs.made(0, 0.5), pairs.made(1, 0.5), "value", draws=39)
    assert found["A"].of_one_theta
    assert found["B"].of_one_theta
    assert not found.findings
    assert sum("a θ of its own, in a part at least" in note for note in found.notes) == 3  # ΔW too


def test_one_adapter_of_its_own_layers_is_enough(pairs: Pairs) -> None:
    (lora,) = noise_adapters("leading", 1)
    for pair in ((pairs.made(0), lora), (lora, pairs.made(0))):
        found = ll.compare(*pair, "value", draws=39)
        assert not any(one.of_one_theta for one in found.values())
        assert {one.claim.null for one in found.findings} == {"flipped"}
