import csv
import io
import json
from pathlib import Path

from checkpoints import BertLike

from lora_lens import conversion_similarity, load_adapter
from lora_lens.chance.conversion_draws import NULLS
from lora_lens.questions.similarity.result import SimilarityResult
from lora_lens.show.layout import Table
from lora_lens.show.text import (
    as_csv,
    as_json,
    as_latex,
    as_markdown,
)


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


def test_csv_leaves_empty_what_is_not_a_number() -> None:
    assert as_csv([{"a": 1.5, "b": float("nan"), "c": "x"}]) == "a,b,c\n1.5,,x\n"


def test_csv_has_every_nulls_columns_whichever_matrix_comes_first(
    bert: BertLike, tmp_path: Path
) -> None:
    adapter = load_adapter(tmp_path / "lora")
    result = conversion_similarity(adapter, "value", matrices=["B", "A"], nulls=NULLS, draws=20)
    rows = list(csv.DictReader(io.StringIO(as_csv(result.rows()))))
    cell = {row["matrix"]: row for row in rows if (row["layer"], row["other_layer"]) == ("0", "1")}
    for null in NULLS:
        for statistic in ("mean", "sd", "z", "p", "p_bh", "p_max", "excess"):
            assert bool(cell["B"][f"{null}_{statistic}"]) == (null != "initialisation")
            assert cell["A"][f"{null}_{statistic}"]
    grid = result["A"].significance["mismatched"]
    assert float(cell["A"]["mismatched_p"]) == grid.p[0, 1]
