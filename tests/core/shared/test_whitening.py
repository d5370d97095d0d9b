"""The condition of S is printed, so that it is S's own."""

import pytest
import torch

import lora_lens as ll
from lora_lens.core.shared.shared_layer import unit_norm
from lora_lens.core.shared.whitening import whitening


@pytest.mark.parametrize("module", ["query", "value"])
def test_the_condition_of_a_real_base_is_that_of_its_layers_below_each_other(module: str) -> None:
    """Second route: singular values of all W but one, without their sum of squares."""
    adapter = ll.load_adapter(ll.demo_adapter("lora"))
    base = ll.open_base("sentence-transformers/all-MiniLM-L6-v2")
    factors = adapter.modules[module]
    w = unit_norm(torch.stack([base.w0(factors, k) for k in range(len(factors.layers))]))
    for sides in (w, w.mT):
        for layer in range(len(w)):
            others = torch.cat([sides[:layer], sides[layer + 1 :]]).flatten(0, 1)
            values = torch.linalg.svdvals(others)
            found = whitening(others.mT @ others).sqrt_kappa
            assert found == pytest.approx((values[0] / values[-1]).item(), rel=1e-9)


@pytest.mark.parametrize("exponent", range(1, 12))
def test_the_condition_of_a_known_spectrum(exponent: int) -> None:
    """Below and above where the least eigenvalue is taken from all of them: to the rounding of S itself."""
    generator = torch.Generator().manual_seed(exponent)
    axes = torch.linalg.qr(torch.randn(96, 96, generator=generator, dtype=torch.float64)).Q
    values = torch.logspace(0, -exponent, 96, dtype=torch.float64)
    s = (axes * values) @ axes.mT
    rounding = 10 * torch.finfo(s.dtype).eps * 10.0**exponent
    found = whitening((s + s.mT) / 2)
    assert found.rank == 96
    assert found.sqrt_kappa**2 == pytest.approx(10.0**exponent, rel=max(rounding, 1e-12))


@pytest.mark.parametrize("alike", [0.0, 1e-8])
def test_the_condition_of_one_above_many_alike(alike: float) -> None:
    generator = torch.Generator().manual_seed(0)
    axes = torch.linalg.qr(torch.randn(96, 96, generator=generator, dtype=torch.float64)).Q
    values = 1 + alike * torch.rand(96, generator=generator, dtype=torch.float64)
    values[0] = 1e6
    s = (axes * values) @ axes.mT
    assert whitening((s + s.mT) / 2).sqrt_kappa == pytest.approx(1e3, rel=1e-7)
