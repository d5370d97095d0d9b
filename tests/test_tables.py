import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from checkpoints import BertLike
from rich.console import Console

from lora_lens import conversion_similarity, load_adapter
from lora_lens.results import SimilarityResult
from lora_lens.sentences import similarity_sentence
from lora_lens.tables import terminal
from lora_lens.tables.files import as_csv, as_json, as_latex, as_markdown
from lora_lens.tables.layout import Table, grid_table, similarity_summary


@pytest.fixture
def result(bert: BertLike, tmp_path: Path) -> SimilarityResult:
    return conversion_similarity(load_adapter(tmp_path / "lora"), "value", draws=50)


def test_csv_is_tidy_and_exact(result: SimilarityResult) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(result.rows()))))
    assert len(rows) == 27
    for row, cell in zip(rows, result.rows(), strict=True):
        assert float(row["phi"]) == cell["phi"]
        assert row["matrix"] == cell["matrix"]


def test_json_round_trips(result: SimilarityResult) -> None:
    assert json.loads(as_json(result.to_dict())) == json.loads(json.dumps(result.to_dict()))


def test_markdown_and_latex_escape_what_they_must() -> None:
    table = Table("a_title of φ ± 1", ["q_proj"], [["50 % & more"]])
    latex = as_latex([table])
    assert r"a\_title of $\phi$ $\pm$ 1" in latex
    assert r"50 \% \& more" in latex
    assert r"q\_proj" in latex
    assert "| q_proj" in as_markdown([table])


def test_summary_has_the_means_beside_both_baselines(result: SimilarityResult) -> None:
    table = similarity_summary(result)
    assert table.head == ["matrix", "mean φ", "highest pair", "gaussian", "propagated"]
    for row, grid in zip(table.rows, result.values(), strict=True):
        assert row[1] == f"{grid.mean:.3f}"
        assert row[3].startswith(f"{4 / 24:.3f} ±")
        assert row[4].startswith(f"{grid.baseline_mean('propagated'):.3f} ±")
    assert grid_table(result["A"]).rows[1][2] == "1.000"


def test_grid_is_shaded_where_the_terminal_has_colours(result: SimilarityResult) -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=100, force_terminal=True, color_system="truecolor")
    console.print(terminal.similarity(result, console))
    assert "48;2;8;48;107" in stream.getvalue()  # the darkest shade, on the diagonal
    assert "1.0" in stream.getvalue()


def test_random_factors_are_said_to_be_no_more_alike_than_w0_makes_them(
    result: SimilarityResult,
) -> None:
    sentence = similarity_sentence(result)
    assert sentence.startswith("lora value, convention stored: ")
    assert "BA" in sentence.split("no more alike than W0 alone makes them")[0]
    assert "more alike than W0 alone makes them" not in sentence.replace("no more", "")
    for grid in result.values():
        assert f"{grid.mean:.3f}" in sentence


@pytest.mark.parametrize(
    ("shift", "verdict"), [(10.0, "more alike than W0"), (-10.0, "less alike than W0")]
)
def test_far_from_the_null_is_said_with_its_distance(
    result: SimilarityResult, shift: float, verdict: str
) -> None:
    grid = result["A"]
    null = grid.baselines["propagated"]
    off = ~np.eye(3, dtype=bool)
    values = np.where(off, null.mean + shift * null.mean_sd, 1.0)
    moved = replace(result, grids={"A": replace(grid, values=values)})
    assert verdict in similarity_sentence(moved)
    assert f"A ({shift:+.1f}) is {verdict}" in similarity_sentence(moved)
