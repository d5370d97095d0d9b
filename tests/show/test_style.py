from collections.abc import Callable

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import Colormap, to_rgb

from lora_lens.show.drawing.log import log_axis, named_alike
from lora_lens.show.drawing.marks import line_shade
from lora_lens.show.paper import paper
from lora_lens.show.style import LINES, colour, colours, line_ramp, line_scale


@pytest.mark.parametrize("ramp", [colours, lambda: plt.get_cmap(LINES)])
def test_lightness_falls_evenly_so_that_the_scale_reads_in_grey(
    ramp: Callable[[], Colormap],
) -> None:
    shades = [to_rgb(ramp()(x)) for x in np.linspace(0, 1, 101)]
    lightness = np.array(shades) @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(lightness) < 0.001).all()
    assert lightness[0] - lightness[-1] > 0.8


def test_the_palette_is_seaborns() -> None:
    import seaborn

    assert [colour(k) for k in range(10)] == seaborn.color_palette("colorblind").as_hex()


def test_a_logarithmic_axis_is_numbered_in_plain_numbers_within_one_decade() -> None:
    figure, ax = plt.subplots()
    ax.plot([0.35, 2.3])
    log_axis(ax)
    figure.canvas.draw()
    low, high = ax.get_ylim()
    shown = [
        t.get_text()
        for t, y in zip(ax.get_yticklabels(), ax.get_yticks(), strict=True)
        if low < y < high
    ]
    assert shown == ["0.5", "1", "2"]


def test_numbers_of_a_logarithmic_axis_are_written_in_one_way() -> None:
    """5·10⁻⁴ stood beside 0.001."""
    assert named_alike([5e-4, 1e-3, 2e-3]) == ["0.0005", "0.001", "0.002"]
    assert named_alike([1e-5, 1e-3]) == ["10⁻⁵", "10⁻³"]
    figure, ax = plt.subplots()
    ax.plot([2e-4, 3e-3])
    log_axis(ax)
    figure.canvas.draw()
    assert not any("10" in tick.get_text() for tick in ax.get_yticklabels())


@pytest.mark.parametrize(("style", "ground"), [("default", 1.0), ("dark_background", 0.0)])
def test_no_line_of_many_is_lost_on_its_ground(style: str, ground: float) -> None:
    with paper(style=style).settings():
        lines = [line_shade(layer / 11) for layer in range(12)]
        np.testing.assert_allclose(line_scale(0, 11).to_rgba(np.arange(12)), lines, atol=0.02)
    away = np.abs(np.array(lines)[:, :3] @ (0.299, 0.587, 0.114) - ground)
    assert (np.diff(away) > 0).all()  # the last layer stands out most
    assert away[0] > 0.18


@pytest.mark.parametrize("style", ["default", "dark_background"])
@pytest.mark.parametrize(("layers", "apart"), [(6, 0.22), (12, 0.1), (32, 0.03)])
def test_neighbours_of_many_lines_can_be_told_apart(style: str, layers: int, apart: float) -> None:
    """Dark blue, violet and black could not."""
    with paper(style=style).settings():
        lines = np.array([line_shade(layer / (layers - 1))[:3] for layer in range(layers)])
    assert np.linalg.norm(np.diff(lines, axis=0), axis=1).min() > apart


def test_a_style_without_a_ground_is_drawn_for_a_white_page() -> None:
    with mpl.rc_context({"axes.facecolor": "none", "figure.facecolor": "none"}):
        assert line_ramp()[0].name == LINES
