"""Words on a terminal of any width: names can be read, and copied where they fit a line."""

import io

import pytest
from rich.console import Console

from lora_lens.show.console import table
from lora_lens.show.layout import Table
from lora_lens.show.prose_table import broken

NAME, WHY = "base_model.model.classifier.dense.bias", "trained in full, no low-rank factor"
CONTENT = Table("Left out", ["tensor", "why"], [[NAME, WHY], ["short", "new"]])


def shown(content: Table, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(table(content, wide=True))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(len, lines)) <= width
    return [line.rstrip() for line in lines]


def test_name_and_words_stand_side_by_side_where_both_fit() -> None:
    assert f"{NAME}  {WHY}" in shown(CONTENT, 100)
    assert f"{NAME}  trained in full, no low-rank" in shown(CONTENT, 70)


@pytest.mark.parametrize("width", [40, 60])
def test_words_stand_below_a_name_that_leaves_no_room_for_them(width: int) -> None:
    lines = shown(CONTENT, width)
    assert NAME in lines
    assert lines[lines.index(NAME) + 1].startswith("  trained in full, no low-rank")
    assert lines[-2:] == ["short", "  new"]


def test_a_name_longer_than_the_line_is_broken_at_a_dot() -> None:
    assert shown(CONTENT, 30)[4:6] == ["base_model.model.classifier.", "dense.bias"]


def test_a_path_at_the_end_of_a_row_is_broken_at_its_dots() -> None:
    content = Table("In full", ["layer", "module", "path"], [["0", "query", NAME]])
    assert [line.split()[-1] for line in shown(content, 44)[3:]] == [
        "base_model.model.classifier.", "dense.bias",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [1, 7, 12, 80])
def test_broken_text_is_the_text(width: int) -> None:
    text = "a_name/of.many-parts and words of several lengths ΔW…"
    lines = broken(text, width)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert max(map(len, lines)) <= width
    assert all(lines)
