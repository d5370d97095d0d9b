from dataclasses import replace
from pathlib import Path

from checkpoints import BertLike, write_lora

from lora_lens import load_adapter, spectrum
from lora_lens.questions.spectrum import QUESTION
from lora_lens.questions.spectrum.tables import (
    intruder_table,
    intruder_totals,
    layer_tables,
    legend,
    spectrum_table,
    texts,
)


def test_tables_hold_the_numbers_of_their_results(bert: BertLike, tmp_path: Path) -> None:
    adapter = load_adapter(tmp_path / "lora")
    found = spectrum(adapter, ks=[1, 3], epsilons=[0.5, 0.9], draws=3)
    first = found.layers[0]
    assert spectrum_table(found).rows[0][7] == f"{first.effective_rank_s2:.2f}"
    assert "stable rank: ‖ΔW‖_F²/σ₁²; effective rank: exp of the entropy" in legend(found)[0]
    one, three = (
        row
        for row in found.intruders(epsilons=[0.9])
        if row["layer"] == 0 and row["module"] == "query"
    )
    assert intruder_table(found).rows[0][4] == f"{one['count']}/{three['count']}"
    rows = found.intruders([3], [0.5])
    total, random = (sum(row[key] for row in rows) for key in ("count", "random_mean"))
    assert intruder_totals(found).rows[1][1] == f"{total} ({random:.0f})"


def test_totals_are_the_same_only_below_what_they_are_of(bert: BertLike, tmp_path: Path) -> None:
    """On a page the table of each layer stands behind them, in what is folded."""
    found = spectrum(load_adapter(tmp_path / "lora"), "value", ks=[1], draws=3)
    *_, each, totals = layer_tables(found)
    assert each.title.startswith("Intruder dimensions")
    assert totals.title.startswith(f"The same over all {bert.layers} matrices; in brackets")
    on_page = QUESTION.page(found, (), "s").tables[1]
    long = "Intruder dimensions among the top k of W0+ΔW, over"
    assert on_page.title.startswith(f"{long} all {bert.layers} matrices; in brackets")
    assert on_page.rows == totals.rows
    one = replace(found, layers=found.layers[:1])
    assert QUESTION.page(one, (), "s").tables[1].title.startswith(f"{long} one matrix; in brackets")


def test_of_one_direction_one_is_said(tmp_path: Path) -> None:
    write_lora(tmp_path / "line", BertLike(rank=1))
    said = spectrum(tmp_path / "line", beside_w0=False).summary
    assert said == "ΔW has one direction in a layer."


def test_a_base_beside_which_no_layer_was_put_has_no_file_of_intruders(
    bert: BertLike, tmp_path: Path
) -> None:
    found = spectrum(load_adapter(tmp_path / "lora"), ks=[1], draws=0)
    alone = replace(found, layers=tuple(replace(one, beside_w0=None) for one in found.layers))
    assert alone.base is not None
    assert set(texts(found)) - set(texts(alone)) == {"-intruders.csv"}
