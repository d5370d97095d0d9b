from pathlib import Path

from checkpoints import BertLike, write_lora

from lora_lens import compare, load_adapter
from lora_lens.questions.comparison.tables import legend, summary
from lora_lens.questions.comparison.words import summary as comparison_sentence


def test_comparison_has_its_tests_below(bert: BertLike, tmp_path: Path) -> None:
    write_lora(tmp_path / "other", BertLike(), seed=9)
    result = compare(load_adapter(tmp_path / "lora"), load_adapter(tmp_path / "other"), "value")
    table = summary(result)
    rows = iter(table.rows)
    for matrix, series in result.items():
        for null in ("gaussian", "mismatched"):
            row, test = next(rows), series.tests[null]
            first = null == "gaussian"
            label = "ΔW" if matrix == "delta" else matrix
            assert row[:3] == ([label, f"{series.mean:.3f}"] if first else ["", ""]) + [null]
            assert row[5] == f"{test.of_mean.p:.3f}"
            # Three layers have two null values each by mismatching: no count of them could be found.
            assert row[7] == (f"{test.discoveries} of 3" if first else "–")
    assert next(rows, None) is None
    assert "more than there are (mismatched)" in legend(result)[-1]
    sentence = comparison_sentence(result)
    assert "0, 0 and 0 of 3 layers are above that after Benjamini-Hochberg at 0.05" in sentence
    shuffled = result["A"].tests["mismatched"].of_mean
    assert f"With the other's layers shuffled it is {shuffled.mean:.3f}, " in sentence
