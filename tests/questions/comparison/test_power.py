"""What `compare` says would have been seen is seen, at the fewest layers and directions too."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from planted import plant
from scipy.stats import binom

import lora_lens as ll
from lora_lens.chance.detectable import POWER, detectable_excess, detectable_excess_of_shuffles
from lora_lens.chance.significance import LEVEL


@pytest.mark.parametrize(("layers", "rank"), [(1, 1), (2, 2)])
def test_an_excess_as_stated_is_found_in_four_of_five_sets(layers: int, rank: int) -> None:
    """Two adapters whose φ is chance and the excess, exactly: of one line it was found in about half of the sets."""
    one = ll.load_adapter(ll.demo_adapter("lora"))
    value, d, sets = one.modules["value"], 64, 40
    generator = torch.Generator().manual_seed(layers)

    def uniform() -> torch.Tensor:
        drawn = torch.randn(layers, d, 2 * rank, generator=generator, dtype=torch.float64)
        return torch.linalg.qr(drawn)[0]

    def adapter(a: torch.Tensor, b: torch.Tensor) -> ll.Adapter:
        module = replace(
            value, layers=tuple(range(layers)), names=value.names[:layers], ranks=(rank,) * layers,
            scaling=value.scaling[:layers], a=a.mT.contiguous(), b=b.contiguous(),
        )  # fmt: skip
        return replace(one, modules={"value": module})

    seen = 0
    excess = {"A": 0.0, "B": 0.0}
    for seed in range(sets + 1):  # of the first the excess is asked
        both = {name: uniform() for name in ("A", "B")}
        first = adapter(*(both[name][..., :rank] for name in ("A", "B")))
        mixed = (
            (rank / d + excess[name]) ** 0.5 * both[name][..., :rank]
            + (1 - rank / d - excess[name]) ** 0.5 * both[name][..., rank:]
            for name in ("A", "B")
        )
        found = ll.compare(
            first, adapter(*mixed), "value", draws=199, seed=seed, beside_w0=False
        ).findings
        assert [one.label for one in found] == ["A", "B"]
        if not seed:
            excess = {one.label: one.verdict.detectable or 0.0 for one in found}
        else:
            seen += sum(one.word == "more" for one in found)
    assert seen >= binom.ppf(1e-3, 2 * sets, POWER)


def test_of_flips_it_is_told_by_their_own_draws() -> None:
    """One large singular value of W0 makes their φ one of few values, of which no gamma distribution knows."""
    pair = [ll.demo_adapter(method) for method in ("lora", "condlora")]
    result = ll.compare(*pair, "value", draws=99)
    for one in result.findings:
        matrix = "delta" if one.label == "ΔW" else one.label
        drawn = result[matrix].baselines["flipped"].drawn.mean(1)
        assert one.verdict.detectable == detectable_excess(drawn, LEVEL / one.verdict.family)


def test_of_shuffled_layers_it_is_told_by_their_own_draws() -> None:
    """By a deviation alone it was too near, for shuffles leave layers in place, and what they have is in the draws too."""
    pair = [ll.demo_adapter(method) for method in ("lora", "condlora")]
    result = ll.compare(*pair, "value", draws=999, beside_w0=False)
    shuffled = [one for one in result.findings if one.claim.null == "mismatched"]
    assert shuffled
    for one in shuffled:
        series = result["delta" if one.label == "ΔW" else one.label]
        shuffles = series.baselines["mismatched"]
        np.testing.assert_array_equal(shuffles.in_place, shuffles.drawn == series.values)
        level = LEVEL / one.verdict.family
        told = detectable_excess_of_shuffles(shuffles.drawn, shuffles.in_place, level)
        assert one.verdict.detectable == told


def test_phi_of_other_layers_may_be_a_layers_own(tmp_path: Path) -> None:
    """A B of one axis that no B of the other has: φ is 0 with each of its layers, and no shuffle leaves it in place for that."""
    rng = np.random.default_rng(0)
    w0 = [rng.standard_normal((24, 24)) for _ in range(6)]
    off = np.array([0.0, *[1.0] * 23])[:, None]
    b = [[off * rng.standard_normal((24, 1)) for _ in w0] for _ in range(2)]
    b[0][0] = 1 - off
    pair = (
        plant(tmp_path / f"{k}", w0, [(one, rng.standard_normal((1, 24))) for one in each])
        for k, each in enumerate(b)
    )
    result = ll.compare(*pair, "value", draws=999, beside_w0=False)
    (found,) = (
        one for one in result.findings if one.label == "B" and one.claim.null == "mismatched"
    )
    assert 0.05 < found.verdict.detectable < 0.3
