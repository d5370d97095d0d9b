"""NumPy's whole numbers are taken where Python's are, and JSON has Python's."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import BertLike
from every_question import NAMES, answered, given, takes, write_adapters

import lora_lens as ll
from lora_lens.errors import LensError

TWO, ONE = np.int64(2), np.int32(1)
DRAWN: dict[str, Any] = {"draws": TWO, "seed": ONE}
OPTIONS: dict[str, dict[str, Any]] = {
    "similarity": {"rank": TWO, **DRAWN},
    "similarity, i and j": {"i": TWO, "j": ONE, **DRAWN},
    "shared": {"rank": TWO, "width": TWO, **DRAWN},
    "comparison": {"i": TWO, "j": ONE, **DRAWN},
    "matrix": {"rank": TWO, "clusters": TWO, **DRAWN},
    "grid": {"layers": np.arange(2), **DRAWN},
    "spectrum": {"ks": np.arange(1, 3), "epsilons": [np.float32(0.5)], **DRAWN},
    "outliers": {"untrained": TWO, **DRAWN},
    "amplification": {"rank": TWO},
    "magnitude": DRAWN,
    "dynamics": {"rank": TWO},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_adapters(tmp_path_factory.mktemp("home"), BertLike(width=24))


@pytest.mark.parametrize("case", OPTIONS)
def test_json_takes_what_was_asked_by_numpys_numbers(case: str, home: Path) -> None:
    name = case.partition(",")[0]
    made = answered(name, given(name, home), **OPTIONS[case])
    found = json.loads(json.dumps(made.to_dict(), allow_nan=False))
    assert found == made.to_dict()
    assert found["seed"] in (1, None)
    assert type(made.seed) in (int, type(None))


def test_every_question_that_takes_numbers_is_asked() -> None:
    taking = {name for name in NAMES if any(takes(name, each) for each in ("rank", *DRAWN))}
    assert set(OPTIONS) >= taking


def test_of_another_adapter_and_of_w0_too(home: Path) -> None:
    one, other = home / "one", home / "other"
    carried = ll.shared_subspace(one, rank=TWO, width=TWO, other=other, **DRAWN)
    of_w0 = ll.rank_grids(one, layers=np.arange(2), top=TWO, **DRAWN)
    for made in (carried, of_w0):
        assert json.loads(json.dumps(made.to_dict(), allow_nan=False))["seed"] == 1


def test_a_survey_takes_them(home: Path, tmp_path: Path) -> None:
    two = home / "one", home / "other"
    found = ll.survey(
        two, tmp_path / "out", questions="pairs", k=TWO, rank=TWO, draws=ONE, seed=ONE
    )
    assert found.adapters == 2


def test_half_a_draw_is_one_line(home: Path) -> None:
    with pytest.raises(LensError, match=r"draws is 2\.5; expected a whole number"):
        ll.spectrum(home / "one", draws=2.5)  # type: ignore[arg-type]
    with pytest.raises(LensError, match="top is '2'; expected a whole number"):
        ll.rank_grids(home / "one", top="2", draws=2)  # type: ignore[arg-type]
