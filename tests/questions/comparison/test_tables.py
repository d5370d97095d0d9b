from pathlib import Path

from checkpoints import BertLike, write_lora

from lora_lens import compare, load_adapter
from lora_lens.questions.comparison.tables import chance_notes, chance_table, legend


def test_comparison_has_its_tests_below(bert: BertLike, tmp_path: Path) -> None:
    write_lora(tmp_path / "other", BertLike(), seed=9)
    result = compare(load_adapter(tmp_path / "lora"), load_adapter(tmp_path / "other"), "value")
    table = chance_table(result)
    rows = iter(table.rows)
    for matrix, series in result.items():
        for null in ("gaussian", "mismatched"):
            row, test = next(rows), series.tests[null]
            first = null == "gaussian"
            label = "ΔW" if matrix == "delta" else matrix
            assert row[:3] == ([label, f"{series.mean:.3f}"] if first else ["", ""]) + [null]
            assert row[5] == f"{test.of_mean.p_two_sided:.3f}"  # as the sentence's
            # Three layers have two null values each by mismatching: no count of them could be found.
            assert row[7] == (f"{test.discoveries} of 3" if first else "–")
    assert next(rows, None) is None
    assert "p: two-sided, uncorrected" in table.title
    assert "more than there are (mismatched)" in legend(result)[-1]
    # Five orders of three layers find nothing however many draws there are: not tested, not claimed.
    assert [one.claim.null for one in result.findings] == ["gaussian"] * 2
    assert "shuffled" not in result.summary
    said = "A and B of the two adapters are no more alike than unrelated subspaces would be (φ "
    assert f"value: {said}" in result.summary


def test_layers_that_few_draws_cannot_count_are_not_counted(bert: BertLike, tmp_path: Path) -> None:
    write_lora(tmp_path / "other", BertLike(), seed=9)
    one, other = (load_adapter(tmp_path / name) for name in ("lora", "other"))
    few = compare(one, other, "value", draws=20)
    assert {row[7] for row in chance_table(few).rows} == {"–"}
    (said,) = chance_notes(few)
    assert said.startswith("20 draws are too few to count layers above chance: p is at least 1/21")
    # Mismatching has few values of three layers, and no number of draws would help.
    assert not chance_notes(compare(one, other, "value"))
