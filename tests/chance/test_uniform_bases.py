import numpy as np
import pytest
import torch
from scipy import stats

from lora_lens import gaussian_baseline
from lora_lens.chance.gaussian import uniform_bases
from lora_lens.core.shared.shared_subspace import shared_shares
from lora_lens.core.similarity.phi_of_bases import phi_of_all_pairs


@pytest.mark.parametrize(("d", "layers", "k"), [(20, 3, 2), (12, 4, 3), (7, 4, 3)])
def test_angles_are_those_of_gaussian_frames(d: int, layers: int, k: int) -> None:
    draws = 3000
    made = uniform_bases(d, layers, k, draws=draws, generator=torch.Generator().manual_seed(1))
    assert made.shape == (draws, layers, min(d, layers * k), k)
    np.testing.assert_allclose(made.mT @ made, np.eye(k)[None, None].repeat(draws, 0).repeat(layers, 1), atol=1e-12)  # fmt: skip
    plain = torch.linalg.qr(
        torch.randn(draws, layers, d, k, generator=torch.Generator().manual_seed(2)).double()
    ).Q
    mean, sd = gaussian_baseline(d, k)
    found = phi_of_all_pairs(made, made)
    for one, other in ((0, 1), (0, layers - 1), (layers - 2, layers - 1)):
        phi = found[:, one, other]
        assert abs(phi.mean() - mean) < 5 * sd / np.sqrt(draws)
        assert phi.std() == pytest.approx(sd, rel=0.1)
    # The joint law: what all layers share, against plain Gaussian frames.
    for name in ("captured", "left_out"):
        one, other = (getattr(shared_shares(u, k), name)[:, -1] for u in (made, plain))
        assert stats.ks_2samp(one, other).pvalue > 1e-3
    one, other = (shared_shares(u, k).eigenvalues[:, 0] for u in (made, plain))
    assert stats.ks_2samp(one, other).pvalue > 1e-3
