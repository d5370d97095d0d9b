"""CSV has one writer: strangers' words are never computed by a spreadsheet, and numbers are as they were."""

import csv
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from checkpoints import BertLike, write_lora
from commands import run

import lora_lens
from lora_lens.show.csv_text import as_csv, frame_csv, in_csv, table_csv, write_arrow_csv

COMPUTED = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\x1b=1")
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029]")
USUAL = ("q_proj", "a,b", 'a "b"', "modèle/é", "1=1", "")


def cells(text: str) -> list[str]:
    assert not CONTROLS.search(text)
    return [cell for row in csv.reader(io.StringIO(text)) for cell in row]


def harmless(text: str) -> bool:
    return not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells(text))


@pytest.mark.parametrize("word", COMPUTED)
def test_no_word_is_computed_by_whichever_way_it_is_written(word: str, tmp_path: Path) -> None:
    row = {"name": word, "value": -0.5}
    write_arrow_csv(
        pa.table({"name": [word, "q"], "also": pa.array([word, "q"]).dictionary_encode()}),
        tmp_path / "a.csv",
    )
    texts = [
        as_csv([row]), table_csv(list(row), [row]), frame_csv(pd.DataFrame([row])),
        (tmp_path / "a.csv").read_text(encoding="utf-8"),
    ]  # fmt: skip
    for text in texts:
        assert harmless(text.replace(",-0.5", ""))
        assert in_csv(word) in cells(text)
    assert all("-0.5" in cells(text) for text in texts[:3])


def test_numbers_and_usual_words_are_as_they_were(tmp_path: Path) -> None:
    numbers = [1.5, -2.0, np.inf, -np.inf, np.nan, 1e-300]
    frame = pd.DataFrame({"name": USUAL, "value": numbers, "n": range(6), "yes": [True, False] * 3})
    assert frame_csv(frame) == frame.to_csv(index=False, lineterminator="\n")
    rows = [{"trial": k, "value": one, "why": None} for k, one in enumerate(numbers)]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, ["trial", "value", "why", "none"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    assert table_csv(["trial", "value", "why", "none"], rows) == stream.getvalue()
    table = pa.table(
        {"name": pa.array(USUAL).dictionary_encode(), "also": [None, *USUAL[1:]], "value": numbers}
    )
    write_arrow_csv(table, tmp_path / "a.csv")
    first, second, third, *_, last = (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()
    assert first == '"name","also","value"'
    assert second == '"q_proj",,1.5'
    assert third == '"a,b","a,b",-2'
    assert last == '"","",1e-300'


def test_nothing_else_writes_csv() -> None:
    home = Path(lora_lens.__file__).parent
    writes = re.compile(r"csv\.(Dict)?[Ww]riter|\bto_csv\(|\bwrite_csv\(")
    found = [
        str(path.relative_to(home))
        for path in home.rglob("*.py")
        if writes.search(path.read_text(encoding="utf-8"))
    ]
    assert found == [str(Path("show") / "csv_text.py")]


def test_folders_of_such_names_in_a_survey_and_a_matrix(tmp_path: Path) -> None:
    shape = BertLike(layers=2, width=8, rank=2)
    folders = [tmp_path / name for name in ("=1+1", "@x", "-3", "+b")]
    for seed, folder in enumerate(folders):
        write_lora(folder, shape, seed=seed)
    broken = tmp_path / "=2+2"
    write_lora(broken, shape)
    (broken / "adapter_model.safetensors").write_bytes(b"\x1b[31m")
    (broken / "adapter_config.json").write_text('{"peft_type": "=3+3"}')
    assert run("survey", tmp_path, "--out", tmp_path / "out").exit_code == 0
    written = sorted((tmp_path / "out").glob("*.csv"))
    assert "failed.csv" in [path.name for path in written]
    for path in written:
        words = pd.read_csv(path).select_dtypes(exclude="number")
        assert harmless(words.to_csv(index=False)), path.name
    assert run("matrix", *folders, "--out", tmp_path / "matrix").exit_code == 0
    (matrix,) = (tmp_path / "matrix").glob("*.csv")
    assert harmless(pd.read_csv(matrix)[["one", "other"]].to_csv(index=False))
