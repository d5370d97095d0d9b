import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb

from lora_lens.show.drawn_log import log_axis
from lora_lens.show.style import COLOURS


def test_lightness_falls_evenly_so_that_the_scale_reads_in_grey() -> None:
    shades = [to_rgb(plt.get_cmap(COLOURS)(x)) for x in np.linspace(0, 1, 101)]
    lightness = np.array(shades) @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(lightness) < 0.001).all()
    assert lightness[0] - lightness[-1] > 0.8


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
