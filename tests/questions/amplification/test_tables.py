from pathlib import Path

from planted import plant, unit

from lora_lens import amplification
from lora_lens.questions.amplification.tables import layer_table


def test_no_overlap_reads_infinite(tmp_path: Path) -> None:
    adapter = plant(tmp_path, [unit(6, *range(6))], [(unit(6, 0), unit(6, 1).T)])
    (row,) = layer_table(amplification(adapter, "value")).rows
    assert row[-1] == "∞"
