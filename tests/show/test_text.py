import csv
import io
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from checkpoints import BertLike

from lora_lens import conversion_similarity, load_adapter
from lora_lens.chance.null_names import WITHOUT_SVD
from lora_lens.questions.similarity.result import SimilarityResult
from lora_lens.show.csv_text import as_csv
from lora_lens.show.layout import Table
from lora_lens.show.tex_letters import in_tex, needs
from lora_lens.show.text import (
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


NUMBERS = Table(
    "Means",
    ["layer", "null", "mean ± sd", "z", "path-1"],
    [["0", "gaussian", "0.021 ± 0.001", "+3.1", "a-1"], ["1", "", "–", "-0.5", "b-2"]],
)


def test_numbers_stand_at_the_right_and_words_at_the_left() -> None:
    assert NUMBERS.numeric == (True, False, True, True, False)
    _, _, head, _, *rows = as_markdown([NUMBERS]).splitlines()
    for row in (head, *rows):
        cells = row.strip("|").split("|")
        assert cells[3][-2] != " "  # z ends where its column does
        assert cells[1][1] != " " or not cells[1].strip()  # and a null begins where its does
    assert r"\begin{tabular}{rlrrl}" in as_latex([NUMBERS])


def test_a_minus_is_a_minus_and_a_hyphen_stays() -> None:
    markdown, latex = as_markdown([NUMBERS]), as_latex([NUMBERS])
    assert "−0.5" in markdown
    assert "-0.5" not in markdown
    assert "$-$0.5" in latex
    for text in (markdown, latex):
        assert "a-1" in text
        assert "path-1" in text


def test_a_power_of_ten_is_one_in_latex() -> None:
    """Two digits of a power stand there as Python writes them; a name that looks like one stays."""
    table = Table(
        "1e-05",
        ["run", "‖ΔW‖_F", "of"],
        [["a", "1.235e-05", "lr5e-04"], ["b", "1.2e+04 ± 3e+02", "2"]],
    )
    latex = as_latex([table])
    assert r" $1.235\cdot10^{-5}$ & lr5e-04 " in latex
    assert r" $1.2\cdot10^{4}$ $\pm$ $3\cdot10^{2}$ & 2 " in latex
    assert r"\caption{1e-05}" in latex
    assert "1.235e-05" in as_markdown([table])


def test_a_power_of_ten_is_one_beside_words_too() -> None:
    rows = [["verdict", "not decided"], ["rate", "1.2e-03"], ["words", "more"]]
    assert r"$1.2\cdot10^{-3}$" in as_latex([Table("t", ["setting", "MRPC"], rows)])


def test_names_of_a_pair_are_no_numbers() -> None:
    """Adapters of a sweep over the learning rate are called by it."""
    pairs = Table("t", ["one", "other", "i", "φ"], [["1e-05", "3e-05", "8", "3.2e-05"]])
    clusters = Table("t", ["cluster", "members"], [["1", "1e-05, 3e-05"], ["2", "1e-04"]])
    latex = as_latex([pairs, clusters])
    assert " 1e-05 & 3e-05 & 8 & $3.2\\cdot10^{-5}$ " in " ".join(latex.split())
    assert latex.count("cdot") == 1


NAMES = Table(
    "of --dash and `tick`",
    ["[head]", "‖ΔW‖_F"],
    [["[a]-lora", "1e-05"], ["*star", "2"], ["--dash", "3"], ["a---b", "4"], ["x`y`z", "5"], ["1e-05", "6"]],
)  # fmt: skip


def test_names_are_in_latex_what_they_are() -> None:
    """No option of the line above, no dash, no quotation mark, and no number."""
    lines = [line.strip() for line in as_latex([NAMES]).splitlines()]
    assert r"\caption{of -{}-dash and \`{}tick\`{}}" in lines
    head, *rows = (line.partition("&")[0].strip() for line in lines if line.endswith(r"\\"))
    assert head == "{}[head]"
    assert rows == ["{}[a]-lora", "{}*star", "-{}-dash", "a-{}-{}-b", r"x\`{}y\`{}z", "1e-05"]
    assert as_latex([NAMES]).count(r"$1\cdot10^{-5}$") == 1
    assert "{}[" not in as_latex([Table("t", ["a", "[b]"], [["c", "[d]"]])])


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex")
def test_pdflatex_takes_such_names(tmp_path: Path) -> None:
    typeset(as_latex([NAMES]), tmp_path)


def typeset(text: str, folder: Path) -> str:
    """What pdflatex prints of a page with it."""
    packages = "\\usepackage{booktabs,graphicx}"
    page = f"\\documentclass{{article}}{packages}\\begin{{document}}\n{text}\\end{{document}}\n"
    (folder / "one.tex").write_text(page, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "one.tex"],
        cwd=folder, capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout


def test_latex_tables_say_what_they_need_and_have_labels_of_their_own() -> None:
    latex = as_latex([NUMBERS, NUMBERS], "similarity-q_proj")
    assert latex.startswith("% \\usepackage{booktabs}\n")
    assert latex.count(r"\label{tab:similarity-q-proj}") == 1
    assert latex.count(r"\label{tab:similarity-q-proj-2}") == 1
    assert r"\label{tab:means}" in as_latex([NUMBERS])
    first, second = latex.index(r"\caption{"), latex.index(r"\label{")
    assert first < second  # a label before the caption would number the section


def test_csv_leaves_empty_what_is_not_a_number() -> None:
    assert as_csv([{"a": 1.5, "b": float("nan"), "c": "x"}]) == "a,b,c\n1.5,,x\n"


def test_csv_has_every_nulls_columns_whichever_matrix_comes_first(
    bert: BertLike, tmp_path: Path
) -> None:
    adapter = load_adapter(tmp_path / "lora")
    result = conversion_similarity(
        adapter, "value", matrices=["B", "A"], nulls=WITHOUT_SVD, draws=20
    )
    rows = list(csv.DictReader(io.StringIO(as_csv(result.rows()))))
    cell = {row["matrix"]: row for row in rows if (row["layer"], row["other_layer"]) == ("0", "1")}
    for null in WITHOUT_SVD:
        for statistic in ("mean", "sd", "z", "p", "p_bh", "p_max", "excess"):
            assert bool(cell["B"][f"{null}_{statistic}"]) == (null != "initialisation")
            assert cell["A"][f"{null}_{statistic}"]
    grid = result["A"].significance["mismatched"]
    assert float(cell["A"]["mismatched_p"]) == grid.p[0, 1]


def test_the_index_of_a_norm_stands_below_it_in_latex() -> None:
    text = as_latex([Table("‖ΔW‖_F of a_b", ["‖W0‖_2", "x_F"], [["1", "2"]])])
    assert r"\caption{$\|$$\Delta W$$\|_F$ of a\_b}" in text
    assert r"$\|$W0$\|_2$" in text
    assert r"x\_F" in text


@pytest.mark.parametrize(
    ("name", "written", "head"),
    [
        ("Ω-lora", r"$\Omega$-lora", ""),
        ("größe", "größe", ""),
        ("gro\u0308ße", "größe", ""),  # as macOS has it in names of files
        ("łąka", "łąka", "% \\usepackage[T1]{fontenc}\n"),
        ("模型-ą", "模型-ą", "% 模型: LuaLaTeX or XeLaTeX"),
        ("а", "а", "% а: LuaLaTeX or XeLaTeX, with a font that has it"),  # Cyrillic
    ],
)
def test_letters_that_tex_sets_and_those_that_it_does_not(
    name: str, written: str, head: str
) -> None:
    text = as_latex([Table(f"value of {name}", [name], [[name]])])
    first, rest = text.split("\n", 1)
    assert first == "% \\usepackage{booktabs}"
    assert rest.startswith(head or "\\begin{table}")
    assert text.count(written) >= 3
    assert ("LuaLaTeX" in text) is ("LuaLaTeX" in head)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex")
def test_pdflatex_takes_every_letter_that_is_not_told_of(tmp_path: Path) -> None:
    letters = [
        chr(k) for k in (*range(0xA1, 0x400), *range(0x1E00, 0x1F00), *range(0x2010, 0x20C0))
    ]
    known = [one for one in letters if one.isprintable() and "XeLaTeX" not in needs(in_tex(one))]
    assert len(known) > 300
    rows = [[one, f"a{one}b"] for one in known]
    tables = [
        Table(f"{rows[k][0]}", ["one", "in a word"], rows[k : k + 20])
        for k in range(0, len(rows), 20)
    ]
    head = "\\documentclass{article}\n\\usepackage{booktabs}\n\\usepackage[T1]{fontenc}\n\\begin{document}\n"
    # Tables that float are too many for a page of TeX's.
    body = as_latex(tables).replace("\\end{table}\n", "\\end{table}\n\\clearpage\n")
    (tmp_path / "one.tex").write_text(f"{head}{body}\\end{{document}}\n", encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "one.tex"],
        cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex")
@pytest.mark.parametrize(("columns", "smaller", "scaled"), [(4, 0, 0), (12, 1, 0), (40, 1, 1)])
def test_no_table_is_wider_than_a_page(
    columns: int, smaller: int, scaled: int, tmp_path: Path
) -> None:
    table = Table("φ", ["layer", *map(str, range(columns))], [["0", *["0.123"] * columns]])
    text = as_latex([table])
    assert (text.count("\\footnotesize"), text.count("\\resizebox")) == (smaller, scaled)
    assert "Overfull" not in typeset(text, tmp_path)


def test_whole_numbers_of_numpy_are_whole_numbers_of_json() -> None:
    assert json.loads(as_json({"rank": np.int64(2), "draws": [np.uint8(3)]})) == {
        "rank": 2,
        "draws": [3],
    }
    with pytest.raises(TypeError):
        as_json({"what": object()})
