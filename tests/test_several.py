"""A name alone is one name, and not its letters."""

from pathlib import Path

import pytest
from checkpoints import BertLike, write_base, write_lora

import lora_lens as ll
from lora_lens.errors import LensError
from lora_lens.files.adapter_folders import find_adapters
from lora_lens.several import several
from lora_lens.survey.settings import questions_named


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two adapters."""
    folder = tmp_path_factory.mktemp("two")
    shape = BertLike()
    write_base(folder / "base", shape)
    for seed in (1, 2):
        write_lora(folder / "adapters" / f"{seed}", shape, base=str(folder / "base"), seed=seed)
    return folder / "adapters"


def test_one_is_one() -> None:
    assert several("BA") == ("BA",)
    assert several(Path("a/b")) == (Path("a/b"),)
    assert several(3) == (3,)
    assert several(["A", "B"]) == several(one for one in "AB") == ("A", "B")
    assert several(()) == ()


def test_a_matrix_alone_is_that_one(two: Path) -> None:
    adapter = ll.load_adapter(two / "1")
    assert list(ll.conversion_similarity(adapter, matrices="BA", draws=2)) == ["BA"]
    assert list(ll.shared_subspace(adapter, matrices="B", draws=2)) == ["B"]
    grids = ll.rank_grids(two / "1", two / "2", matrices="delta-left", draws=2)
    assert {(grid.matrix, grid.side) for grid in grids} == {("delta", "left")}
    for ask in (ll.conversion_similarity, ll.shared_subspace, ll.rank_grids):
        with pytest.raises(LensError, match="XB"):
            ask(adapter, matrices="XB", draws=2)  # type: ignore[arg-type]


def test_a_null_alone_is_that_one(two: Path) -> None:
    found = ll.conversion_similarity(two / "1", matrices="B", nulls="gaussian", draws=2)
    assert list(found["B"].baselines) == ["gaussian"]
    with pytest.raises(LensError, match="no such null: gausian"):
        ll.conversion_similarity(two / "1", nulls="gausian", draws=2)  # type: ignore[arg-type]


def test_a_folder_of_adapters_alone_is_that_one(two: Path) -> None:
    for folder in (two, str(two)):
        assert ll.adapter_matrix(folder, draws=2).names == ("1", "2")
        assert len(find_adapters(folder)) == 2
    for one in (two / "1", ll.load_adapter(two / "1")):
        with pytest.raises(LensError, match="1 adapter given; expected at least two"):
            ll.adapter_matrix(one, draws=2)


def test_a_question_alone_is_that_one() -> None:
    assert questions_named("pairs", with_w0=False) == ("pairs",)
    with pytest.raises(LensError, match="no such question: paris;"):
        questions_named("paris", with_w0=False)
