from pathlib import Path

from checkpoints import BertLike, write_lora

from lora_lens import compare, load_adapter
from lora_lens.tables.comparison import summary
from lora_lens.tables.sentences import comparison_sentence


def test_comparison_has_its_tests_below(bert: BertLike, tmp_path: Path) -> None:
    write_lora(tmp_path / "other", BertLike(), seed=9)
    result = compare(load_adapter(tmp_path / "lora"), load_adapter(tmp_path / "other"), "value")
    table = summary(result)
    for row, series in zip(table.rows, result.values(), strict=True):
        test = series.significance
        assert row[1] == f"{series.mean:.3f}"
        assert row[4] == f"{test.of_mean.p:.3f}"
        assert row[6] == f"{test.discoveries} of 3"
    sentence = comparison_sentence(result)
    assert "0, 0 and 0 of 3 layers are above that after Benjamini-Hochberg at 0.05" in sentence
