"""NumPy's whole numbers are taken where Python's are, and JSON has Python's."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import BertLike, write_base, write_lora

import lora_lens as ll
from lora_lens.errors import LensError

TWO, ONE = np.int64(2), np.int32(1)
DRAWN: dict[str, Any] = {"draws": TWO, "seed": ONE}
ASKED: dict[str, Callable[[Path, Path], Any]] = {
    "similarity": lambda one, _: ll.conversion_similarity(one, rank=TWO, **DRAWN),
    "similarity i, j": lambda one, _: ll.conversion_similarity(one, i=TWO, j=ONE, **DRAWN),
    "shared": lambda one, other: ll.shared_subspace(one, rank=TWO, width=TWO, other=other, **DRAWN),
    "compare": lambda one, other: ll.compare(one, other, i=TWO, j=ONE, **DRAWN),
    "matrix": lambda *both: ll.adapter_matrix(both, rank=TWO, clusters=TWO, **DRAWN),
    "grid": lambda one, _: ll.rank_grids(one, layers=np.arange(2), top=TWO, **DRAWN),
    "spectrum": lambda one, _: ll.spectrum(
        one, ks=np.arange(1, 3), epsilons=[np.float32(0.5)], **DRAWN
    ),
    "outliers": lambda one, _: ll.outliers(one, untrained=TWO, **DRAWN),
    "amplification": lambda one, _: ll.amplification(one, rank=TWO),
    "dynamics": lambda one, _: ll.dynamics(one.parent / "run", rank=TWO),
}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two adapters on one base, and a run beside them."""
    folder = tmp_path_factory.mktemp("two")
    shape = BertLike(width=24)
    write_base(folder / "base", shape)
    one, other = (
        write_lora(folder / f"{seed}", shape, base=str(folder / "base"), seed=seed)
        for seed in (1, 2)
    )
    for step, of in ((1, one), (2, other)):
        shutil.copytree(of, folder / "run" / f"checkpoint-{step}")
    return one, other


@pytest.mark.parametrize("asked", ASKED)
def test_json_takes_what_was_asked_by_numpys_numbers(asked: str, two: tuple[Path, Path]) -> None:
    made = ASKED[asked](*two)
    found = json.loads(json.dumps(made.to_dict(), allow_nan=False))
    assert found["seed"] in (1, None)
    assert type(made.seed) in (int, type(None))


def test_a_survey_takes_them(two: tuple[Path, Path], tmp_path: Path) -> None:
    found = ll.survey(
        two, tmp_path / "out", questions="pairs", k=TWO, rank=TWO, draws=ONE, seed=ONE
    )
    assert found.adapters == 2


def test_half_a_draw_is_one_line(two: tuple[Path, Path]) -> None:
    with pytest.raises(LensError, match=r"draws is 2\.5; expected a whole number"):
        ll.spectrum(two[0], draws=2.5)  # type: ignore[arg-type]
    with pytest.raises(LensError, match="top is '2'; expected a whole number"):
        ll.rank_grids(two[0], top="2", draws=2)  # type: ignore[arg-type]
