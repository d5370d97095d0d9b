"""The condition of S is printed, so that it is S's own."""

import pytest
import torch

import lora_lens as ll
from lora_lens.core.forwards import unit_norm
from lora_lens.core.whitening import whitening


@pytest.mark.parametrize("module", ["query", "value"])
def test_the_condition_of_a_real_base_is_that_of_its_eigenvalues(module: str) -> None:
    """Left out the second layer of value, S of rows has two largest eigenvalues 1 % apart."""
    adapter = ll.load_adapter(ll.demo_adapter("lora"))
    base = ll.open_base("sentence-transformers/all-MiniLM-L6-v2")
    factors = adapter.modules[module]
    w = unit_norm(torch.stack([base.w0(factors, k) for k in range(len(factors.layers))]))
    for grams in (w.mT @ w, w @ w.mT):
        for s in grams.sum(0) - grams:
            values = torch.linalg.eigvalsh(s)
            known = (values[-1] / values[0]).sqrt().item()
            assert whitening(s).sqrt_kappa == pytest.approx(known, rel=1e-7)
