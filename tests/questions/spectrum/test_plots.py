from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from checkpoints import BertLike
from planted import plant, unit

from lora_lens import (
    inspect,
    load_adapter,
    plots,
    spectrum,
)
from lora_lens.questions.spectrum.result import Spectrum


@pytest.fixture
def found(bert: BertLike, tmp_path: Path) -> Spectrum:
    return spectrum(load_adapter(tmp_path / "lora"), ks=[1, 5], epsilons=[0.3, 0.6, 0.9])


def test_every_rank_and_norm_lies_inside_its_panel(found: Spectrum) -> None:
    figure = plots.spectrum_figure(found)
    assert [ax.get_title() for ax in figure.axes[:2]] == ["query", "value"]
    assert sum(ax.axison for ax in figure.axes) == 6 + 1  # and the scale of layers
    for k, ax in enumerate(figure.axes[:6]):
        low, high = ax.get_ylim()
        assert (low == 0) == (k >= 2)
        assert all(low <= min(line.get_ydata()) for line in ax.lines)
        assert all(max(line.get_ydata()) <= high for line in ax.lines)


def of_modules(found: Spectrum, times: int) -> Spectrum:
    """The same layers under more names: of twice as many modules, or three times."""
    layers = tuple(
        replace(one, module=f"{k}.{one.module}") for k in range(times) for one in found.layers
    )
    return replace(found, layers=layers)


@pytest.mark.parametrize(("width", "times"), [(None, 1), (None, 3), ("3.25in", 1), ("3.25in", 3)])
def test_the_scale_of_layers_stands_beside_the_lines_that_it_is_of(
    found: Spectrum, width: str | None, times: int
) -> None:
    figure = of_modules(found, times).plot(width=width)
    figure.draw_without_rendering()
    blocks = figure.subfigs or [figure]
    assert len(blocks) == -(-2 * times // 4)
    for block in blocks:
        (bar,) = [ax for ax in block.axes if ax.get_ylabel() == "layer"]
        of = [ax.get_position() for ax in block.axes if ax.get_title()]
        of = [one for one in of if one.y0 == max(each.y0 for each in of)]  # of rows apart the first
        ends = min(one.y0 for one in of), max(one.y1 for one in of)
        assert ends[0] <= bar.get_position().y0 < bar.get_position().y1 <= ends[1]


def test_many_modules_stand_in_blocks_that_can_be_compared(found: Spectrum) -> None:
    """Twenty were one row of 10,000 pixels."""
    many = of_modules(found, 10)
    loud = many.layers[-1]
    many = replace(many, layers=(*many.layers[:-1], replace(loud, singular_values=(90.0, 9.0))))
    figure = many.plot()
    width, height = figure.get_size_inches()
    assert width < 16 < height
    shown = [[ax for ax in one.axes if ax.axison] for one in figure.subfigs]
    titles = [ax.get_title() for axes in shown for ax in axes if ax.get_title()]
    assert titles == list(many.modules)
    for row in range(3):
        limits = {ax.get_ylim() for axes in shown for ax in axes[4 * row : 4 * row + 4]}
        assert len(limits) == 1
    assert shown[0][0].get_ylim()[1] > 90


def test_singular_values_are_ringed_above_what_a_random_product_has(tmp_path: Path) -> None:
    factors = [(unit(60, 0, 1, 2) * s, unit(60, 0, 1, 2).T) for s in ([9, 1, 0], [1, 1, 1])]
    one, other = spectrum(plant(tmp_path, [np.eye(60)] * 2, factors), beside_w0=False).layers
    assert (one.above_product_edge, other.above_product_edge) == (1, 0)
    first, ring, second = plots.singular_value_plot([one, other]).lines
    np.testing.assert_allclose(first.get_ydata(), [9, 1, np.nan])
    np.testing.assert_allclose(second.get_ydata(), [1, 1, 1])
    np.testing.assert_allclose(ring.get_xydata(), [[1, 9]])
    assert ring.get_label() == "above a random product"


def test_intruder_counts_stand_in_the_cells_above_what_chance_gives(found: Spectrum) -> None:
    ax = plots.intruder_heatmap(found, "value", 5)
    rows = [row for row in found.intruders([5]) if row["module"] == "value"]
    chance = [
        np.mean([row["random_mean"] for row in rows if row["epsilon"] == one])
        for one in found.epsilons
    ]
    said = [f"{row['count']}" for row in rows] + [f"{round(one, 1):g}" for one in chance]
    assert [text.get_text() for text in ax.texts] == said
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.3", "0.6", "0.9"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0", "1", "2", "chance"]
    assert [line.get_ydata()[0] for line in ax.lines] == [2.5]  # chance stands apart
    assert ax.collections[0].get_clim() == (0, 5)
    figure = plots.intruder_figure(found)
    assert len(figure.axes) == 2 * 2 + 1
    assert figure.get_supxlabel().startswith("chance: mean count")


def test_chance_is_seen_beside_many_layers(found: Spectrum) -> None:
    """Of 80 layers it was a row of a pixel or two, without its name."""
    layers = [replace(one, layer=k) for k in range(80) for one in found.of("value")[:1]]
    figure = plots.intruder_figure(replace(found, layers=tuple(layers)))
    figure.draw_without_rendering()
    ax = figure.axes[0]
    assert ax.get_yticklabels()[-1].get_text() == "chance"
    top, *_, upper, lower = ax.collections[0].get_coordinates()[:, 0, 1]
    assert (lower - upper) / (lower - top) > 0.035


def test_intruders_of_many_modules_stand_beside_each_other(found: Spectrum) -> None:
    """Twenty below each other, of 32 layers, were 98 inches high, and the scale as broad as two panels."""
    layers = [
        replace(one, layer=k, module=f"{m}.{one.module}")
        for m in range(10) for k in range(32) for one in (found.of("query")[0], found.of("value")[0])
    ]  # fmt: skip
    figure = plots.intruder_figure(replace(found, layers=tuple(layers)))
    figure.draw_without_rendering()
    width, height = figure.get_size_inches()
    assert width < 24
    assert height < 26
    (bar,) = [ax for ax in figure.axes if ax.get_ylabel() == "share of the top k"]
    assert bar.get_position().width * width < 0.5
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert len(titles) == 20 * len(found.ks)
    assert titles[0].split(",")[0] == titles[1].split(",")[0]  # of a module beside each other


def test_without_draws_there_is_no_chance_to_draw(bert: BertLike, tmp_path: Path) -> None:
    bare = spectrum(load_adapter(tmp_path / "lora"), "value", draws=0)
    ax = plots.intruder_heatmap(bare, "value", 5)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0", "1", "2"]
    assert not ax.lines
    assert plots.intruder_figure(bare).get_supxlabel() == "lora on base"


def test_an_untrained_adapter_has_a_figure_without_lines(tmp_path: Path) -> None:
    untrained = plant(tmp_path, [np.eye(5)], [(0 * unit(5, 1), unit(5, 1).T)])
    for figure in (
        plots.spectrum_figure(spectrum(untrained)),
        plots.inventory_figure(inspect(untrained)),
    ):
        figure.draw_without_rendering()
        assert not np.isfinite(figure.axes[0].lines[0].get_ydata()).any()


def test_the_scale_of_layers_stands_at_its_panels_and_a_legend_serves_a_whole_row(
    found: Spectrum,
) -> None:
    """Legends at the right pushed the scale far away, and one panel of a row alone explained its rings."""
    figure = plots.spectrum_figure(found)
    figure.draw_without_rendering()
    first, second, *_ = [ax for ax in figure.axes if ax.axison]
    assert (first.get_xlabel(), first.get_ylabel()) == ("index of σ", "σ of ΔW")
    (bar,) = [ax for ax in figure.axes if ax.get_ylabel() == "layer" and not ax.get_title()]
    apart = bar.get_position().x0 - second.get_position().x1
    assert apart * figure.get_figwidth() < 0.4
    assert not any(ax.get_legend() for ax in figure.axes if ax.axison)
    said = [
        [t.get_text() for t in ax.get_legend().get_texts()] for ax in figure.axes if ax.get_legend()
    ]
    assert said[-2:] == [
        ["rank r", "effective rank (s)", "effective rank (s²)", "stable rank", "rank for 95 % of energy"],
        ["Frobenius norms", "spectral norms"],
    ]  # fmt: skip
