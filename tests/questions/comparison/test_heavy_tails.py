"""What the legend says of factors in which a few coordinates outweigh the rest, in each by itself or in both alike."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from planted import plant
from shapes_once import checked_once

import lora_lens as ll
from lora_lens.questions.comparison.tables import _INDEPENDENT

LAYERS, WIDTH, RANK, PAIRS = 6, 32, 2, 100


def claimed_of(tmp_path: Path, degrees: float, *, uneven: float = 0.0, pairs: int = PAIRS) -> int:
    """Pairs of unrelated adapters of which something is said, of entries by Student's t and rows of B of the same uneven norms."""
    rng, of_rows = (np.random.default_rng(seed) for seed in (0, 1))
    w0 = [rng.standard_normal((WIDTH, WIDTH)) for _ in range(LAYERS)]

    def drawn(*shape: int) -> np.ndarray:
        return rng.standard_t(degrees, shape)

    def with_factors(adapter: ll.Adapter, rows: np.ndarray) -> ll.Adapter:
        made = [(row * drawn(WIDTH, RANK), drawn(RANK, WIDTH)) for row in rows]
        b, a = (torch.from_numpy(np.stack(each)) for each in zip(*made, strict=True))
        return replace(adapter, modules={"value": replace(adapter.modules["value"], a=a, b=b)})

    nothing = [(np.zeros((WIDTH, RANK)), np.zeros((RANK, WIDTH)))] * LAYERS
    planted = [plant(tmp_path / name, w0, nothing) for name in ("one", "other")]
    base = ll.open_base(tmp_path / "one" / "base")
    count = 0
    for pair in checked_once(range(pairs)):
        rows = np.exp(uneven * of_rows.standard_normal((LAYERS, WIDTH, 1)))
        one, other = (with_factors(adapter, rows) for adapter in planted)
        result = ll.compare(one, other, "value", draws=199, seed=pair, base=base)
        assert "flipped" in result["A"].baselines
        count += any(one.word != "not seen" for one in result.findings)
    return count


def test_the_level_is_kept_or_nothing_is_claimed(tmp_path: Path) -> None:
    """Were all of them tested, 17 of 100 would be claimed of those with 1.5 degrees of freedom."""
    assert claimed_of(tmp_path / "gaussian", 1e6) <= 11
    assert claimed_of(tmp_path / "heavy", 1.5) <= 11


def test_why_nothing_is_claimed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    w0 = [rng.standard_normal((WIDTH, WIDTH)) for _ in range(LAYERS)]

    def factors() -> tuple[np.ndarray, np.ndarray]:
        b = rng.standard_normal((WIDTH, RANK))
        b[rng.permutation(WIDTH)[4:]] = 0
        return b, rng.standard_normal((RANK, WIDTH))

    one, other = (plant(tmp_path / name, w0, [factors() for _ in w0]) for name in ("one", "other"))
    for beside_w0 in (True, False):
        result = ll.compare(
            one, other, draws=199, base=tmp_path / "one" / "base" if beside_w0 else None
        )
        assert ("flipped" in result["B"].baselines) is beside_w0
        assert {each.label for each in result.findings} == {"A"}
        times = result["B"].on_coordinates
        assert result["B"].scatter > times / 1.1 > 1.5
        assert result["A"].on_coordinates == 1
        for matrix in ("B", "ΔW"):
            (note,) = (
                each
                for each in result.notes
                if each.startswith(f"{matrix} of the two adapters lie unevenly")
            )
            assert f"scatter {times:.1f} times as far" in note
            assert note.endswith("so that nothing is claimed of it")
        assert "which was not tested, for the two lie unevenly on the coordinates" in result.summary


def test_rows_of_the_same_uneven_norms_are_alike_beyond_flips(tmp_path: Path) -> None:
    assert claimed_of(tmp_path, 1e6, uneven=0.5, pairs=20) >= 12
    assert "rows have the same unequal norms in both" in _INDEPENDENT
