"""Of one layer no question says what takes two: no mean of layers, no deviation, no scale."""

from pathlib import Path

import pytest
from checkpoints import BertLike, write_base, write_lora

import lora_lens as ll
from lora_lens.questions.grid.words import summary
from lora_lens.questions.matrix.figures import matrix_sheet
from lora_lens.questions.outliers.tables import phi_table


@pytest.fixture
def one(tmp_path: Path) -> ll.Adapter:
    shape = BertLike(layers=1)
    base = write_base(tmp_path / "base", shape)
    for k in (0, 1):
        write_lora(tmp_path / f"lora{k}", shape, base=str(base), seed=k)
    return ll.load_adapter(tmp_path / "lora0")


def test_a_similarity_figure_has_no_scale_and_names_no_chance(one: ll.Adapter) -> None:
    """It read “Red on the scale: unrelated subspaces, nan, nan, nan.”."""
    result = ll.conversion_similarity(one, "value", draws=5)
    figures = [result.plot(), result.plot(width="3.25in")]
    assert not [text for made in figures for text in made.texts if "nan" in text.get_text()]
    labels = [ax.get_ylabel() or ax.get_xlabel() for made in figures for ax in made.axes]
    assert not {"φ", "excess"} & set(labels)


def test_no_scale_of_layers_stands_beside_a_single_line(one: ll.Adapter) -> None:
    for made in (ll.spectrum(one).plot(), ll.inspect(one).plot()):
        assert "layer" not in [ax.get_ylabel() for ax in made.axes]


def test_a_mean_of_one_is_not_called_one(one: ll.Adapter, tmp_path: Path) -> None:
    result = ll.rank_grids(one, None, "value", draws=9)
    assert "over the layers" not in summary(result, ())
    found = ll.adapter_matrix([tmp_path / "lora0", tmp_path / "lora1"], "value")
    assert "mean of 1 layer" in matrix_sheet(found).title
    assert "mean of 1 layers" not in matrix_sheet(found).title
    alone = ll.conversion_similarity(one, "value", draws=5)["A"]
    assert repr(alone) == "<LayerGrid: A, value, 1 layer>"


def test_no_deviation_is_told_where_there_is_none(one: ll.Adapter) -> None:
    """It read “0.1250 ± –”."""
    cells = [cell for row in phi_table(ll.outliers(one, "value", draws=5)).rows for cell in row]
    assert not [cell for cell in cells if "±" in cell or "nan" in cell]
