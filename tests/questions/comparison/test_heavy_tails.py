"""What the legend says of factors in which a few coordinates outweigh the rest, in each by itself or in both alike."""

from pathlib import Path

import numpy as np
from planted import plant

import lora_lens as ll
from lora_lens.questions.comparison.tables import _INDEPENDENT

LAYERS, WIDTH, RANK, PAIRS = 6, 32, 2, 100


def claimed_of(tmp_path: Path, degrees: float, *, uneven: float = 0.0, pairs: int = PAIRS) -> int:
    """Pairs of unrelated adapters of which something is said, of entries by Student's t and rows of B of the same uneven norms."""
    rng, of_rows = (np.random.default_rng(seed) for seed in (0, 1))
    w0 = [rng.standard_normal((WIDTH, WIDTH)) for _ in range(LAYERS)]

    def drawn(*shape: int) -> np.ndarray:
        return rng.standard_t(degrees, shape)

    count = 0
    for pair in range(pairs):
        rows = np.exp(uneven * of_rows.standard_normal((LAYERS, WIDTH, 1)))
        one, other = (
            plant(
                tmp_path / name,
                w0,
                [(row * drawn(WIDTH, RANK), drawn(RANK, WIDTH)) for row in rows],
            )
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


def test_rows_of_the_same_uneven_norms_are_alike_beyond_flips(tmp_path: Path) -> None:
    assert claimed_of(tmp_path, 1e6, uneven=1.0, pairs=10) >= 8
    assert "rows have the same unequal norms in both" in _INDEPENDENT
