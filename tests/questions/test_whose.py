"""An answer says whose it is, on a figure that is sent on and above its tables, each thing once."""

import re
from io import StringIO
from pathlib import Path

import pytest
from checkpoints import BertLike
from every_question import BY_NAME, NAMES, answered, given, takes, write_adapters
from rich.console import Console

from lora_lens.show.whose import headed

_NAMED_OTHERWISE = {"matrix"}  # by names beside their rows


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_adapters(tmp_path_factory.mktemp("whose"), BertLike(layers=2, width=16, rank=2))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in _NAMED_OTHERWISE])
def test_a_figure_names_its_adapters_and_their_base(name: str, adapters: Path) -> None:
    asked = given(name, adapters)
    result = answered(name, asked, **({"draws": 3} if takes(name, "draws") else {}))
    note = BY_NAME[name].part("figures").figures(result)[""].note
    whose = note.split("\n")[-1]
    if len(asked) == 1:
        assert whose == f"{asked[0].name} on base"
    else:
        assert whose in (
            "one: one; other: other; base: base",
            "first: one; second: other; base: base",
        )
    assert str(adapters) not in note


@pytest.mark.parametrize("name", [name for name in NAMES if name not in _NAMED_OTHERWISE])
def test_the_line_above_tables_says_each_once(name: str, adapters: Path) -> None:
    """The method and the name of ``lora`` were “lora lora”, and a path was there whole."""
    asked = given(name, adapters)
    result = answered(name, asked, **({"draws": 3} if takes(name, "draws") else {}))
    console = Console(width=300, record=True, file=StringIO())
    console.print(BY_NAME[name].part("terminal").terminal(result, console))
    text = console.export_text()
    assert str(adapters) not in text
    if len(asked) == 1:
        assert f"{asked[0].name} on base" in text.replace(" (lora)", "")
    else:
        assert [line.split()[1] for line in text.split("\n") if re.match(r"\w+: +\w+$", line)] == [
            "one",
            "other",
        ]


def test_a_method_is_said_where_the_name_does_not() -> None:
    assert headed("/runs/lora", "org/base", "lora") == "lora on org/base"
    assert headed("/runs/one-condlora", None, "lora") == "one-condlora (lora)"
