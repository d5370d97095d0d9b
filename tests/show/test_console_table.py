"""Tables on a terminal: nothing is broken that reads as something else then."""

from io import StringIO

import pytest
from rich.console import Console

from lora_lens.show.console import table
from lora_lens.show.layout import Table

HEAD = ["module", "layer", "first's s", *(f"ε = 0.{k}" for k in range(1, 10))]
ROWS = [["query", str(layer), "0.954", *["0/3/6/11"] * 9] for layer in range(3)]
WIDE = Table("Intruder dimensions", HEAD, ROWS)


def lines(content: Table, width: int) -> list[str]:
    out = StringIO()
    Console(file=out, width=width).print(table(content))
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_every_number_is_whole_and_no_line_is_too_long(width: int) -> None:
    found = lines(WIDE, width)
    assert max(map(len, found)) <= width
    assert sum(line.split().count("0/3/6/11") for line in found) == 27
    assert set(" ".join(found).split()) <= {
        *[
            "Intruder",
            "dimensions",
            "module",
            "layer",
            "first's",
            "s",
            "ε",
            "=",
            "query",
            "0",
            "1",
            "2",
            "0.954",
            "0/3/6/11",
        ],
        *(f"0.{k}" for k in range(1, 10)),
    }


def test_rows_are_named_in_every_block() -> None:
    found = [line for line in lines(WIDE, 80) if "0/3/6/11" in line]
    assert len(found) > 3
    assert all(line.startswith("query") for line in found)


def test_what_fits_closer_together_stays_in_one_piece() -> None:
    content = Table("", ["layer", "a", "b", "c"], [["0", "1.0", "2.0", "3.0"]])
    assert lines(content, 20)[-1].split() == ["0", "1.0", "2.0", "3.0"]
    assert lines(content, 17)[-1].split() == ["0", "1.0", "2.0", "3.0"]


def test_a_name_longer_than_the_line_is_folded_and_not_lost() -> None:
    found = lines(Table("", ["module", "norm"], [["q" * 50, "1.0"]]), 40)
    assert "".join(found).count("q") == 50


def test_a_pair_is_named_by_both_of_its_adapters_in_every_part() -> None:
    """Later parts had `one` and not `other`: of six pairs the numbers were nobody's."""
    names = [letter * 34 for letter in "abcd"]
    pairs = [(a, b) for k, a in enumerate(names) for b in names[k + 1 :]]
    head = ["one", "other", "i", "j", "φ", "gaussian ± sd", "z", "p", "excess"]
    cells = ["8", "8", "0.021", "0.021 ± 0.003", "+0.1", "0.456", "+0.000"]
    found = lines(Table("All 6 pairs", head, [[*pair, *cells] for pair in pairs]), 80)
    rows = [line for line in found if any(name in line for name in names)]
    assert max(map(len, found)) <= 80
    assert len(rows) > 6
    assert all(sum(name in line for name in names) == 2 for line in rows)
    assert "".join(found).count("0.021 ± 0.003") == 6


@pytest.mark.parametrize("head", ["mean φ", "predicted"])
def test_a_null_is_named_in_every_part_wherever_it_stands(head: str) -> None:
    heads = ["matrix", head, "null", "null mean", "z", "p", "excess", "pairs"]
    rows = [
        ["A" * first, "0.151" * first, null, "0.125 ± 0.038", "+0.7", "0.194", "+0.030", "0 of 15"]
        for first, null in ((1, "gaussian"), (0, "propagated"))
    ]
    found = lines(Table("", heads, rows), 40)
    parts = sum("matrix" in line for line in found)
    assert parts > 1
    for null in ("gaussian", "propagated"):
        assert sum(null in line for line in found) == parts


def test_names_are_folded_before_numbers_are() -> None:
    found = lines(Table("", ["one", "other", "φ"], [["a" * 34, "b" * 34, "0.021"]]), 40)
    assert max(map(len, found)) <= 40
    assert any("0.021" in line for line in found)
    assert ("".join(found).count("a"), "".join(found).count("b")) == (34, 34)
