from pathlib import Path

import numpy as np
from checkpoints import BertLike

from lora_lens import load_adapter, magnitude_and_direction, plots


def test_a_point_a_layer_and_one_of_random_ones(bert: BertLike, tmp_path: Path) -> None:
    result = magnitude_and_direction(load_adapter(tmp_path / "lora"), draws=50)
    left, right = plots.magnitude_figure(result).axes
    for module in result.modules:
        (line,) = [one for one in left.lines if one.get_label() == module]
        layers = result.of(module)
        np.testing.assert_allclose(line.get_xdata(), [one.magnitude.value for one in layers])
        np.testing.assert_allclose(line.get_ydata(), [one.direction.value for one in layers])
    said = [text.get_text() for text in left.texts]
    assert set(said) <= {str(one.layer) for one in result.layers}
    assert said  # but for those that would lie on each other
    assert len(left.collections[0].get_segments()) == len(result.layers)
    (own,) = [one for one in right.lines if one.get_label() == "this adapter"]
    np.testing.assert_allclose(own.get_ydata(), [one.r for one in result.together])
    assert [bar.get_height() for bar in right.patches] == [
        high - low for low, high in (one.middle for one in result.together)
    ]


def test_without_draws_nothing_random_is_drawn(bert: BertLike, tmp_path: Path) -> None:
    result = magnitude_and_direction(load_adapter(tmp_path / "lora"), "value", draws=0)
    left, right = plots.magnitude_figure(result).axes
    labels = [each for ax in (left, right) for each in ax.get_legend_handles_labels()[1]]
    assert "value" in labels
    assert not [each for each in labels if "random" in each]
    assert plots.magnitude_plot(result).get_ylabel() == "directional change ΔD"
    assert plots.correlation_plot(result).get_ylim() == (-1.05, 1.05)
