"""What the legend says of factors in which a few coordinates outweigh the rest."""

from pathlib import Path

import numpy as np
from planted import plant

import lora_lens as ll

LAYERS, WIDTH, RANK, PAIRS = 6, 32, 2, 100


def claimed_of(tmp_path: Path, degrees: float) -> int:
    """Pairs of unrelated adapters of which something is said, of entries by Student's t."""
    rng = np.random.default_rng(0)
    w0 = [rng.standard_normal((WIDTH, WIDTH)) for _ in range(LAYERS)]

    def drawn(*shape: int) -> np.ndarray:
        return rng.standard_t(degrees, shape)

    count = 0
    for pair in range(PAIRS):
        one, other = (
            plant(tmp_path / name, w0, [(drawn(WIDTH, RANK), drawn(RANK, WIDTH)) for _ in w0])
            for name in ("one", "other")
        )
        result = ll.compare(
            one, other, "value", draws=199, seed=pair, base=tmp_path / "one" / "base"
        )
        assert "flipped" in result["A"].baselines
        count += any(one.word != "not seen" for one in result.findings)
    return count


def test_gaussian_factors_keep_the_level_and_heavy_tailed_ones_do_not(tmp_path: Path) -> None:
    assert claimed_of(tmp_path / "gaussian", 1e6) <= 11
    assert 10 <= claimed_of(tmp_path / "heavy", 1.5) <= 30
