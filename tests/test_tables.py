import csv
import io
import json
from pathlib import Path

import pytest
from checkpoints import BertLike
from rich.console import Console

from lora_lens import conversion_similarity, load_adapter
from lora_lens.results import SimilarityResult
from lora_lens.sentences import similarity_sentences
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


def test_random_factors_are_said_to_be_what_w0_alone_makes(result: SimilarityResult) -> None:
    for sentence in similarity_sentences(result):
        assert "W0 alone accounts for it" in sentence
