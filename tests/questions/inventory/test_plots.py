from pathlib import Path

from checkpoints import BertLike

from lora_lens import inspect, load_adapter, plots


def test_spectra_have_a_panel_a_module_and_a_line_a_layer(bert: BertLike, tmp_path: Path) -> None:
    figure = plots.inventory_figure(inspect(load_adapter(tmp_path / "lora")))
    panels = figure.axes[:2]
    assert [ax.get_title() for ax in panels] == ["query", "value"]
    assert [len(ax.lines) for ax in panels] == [3, 3]
