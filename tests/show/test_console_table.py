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
