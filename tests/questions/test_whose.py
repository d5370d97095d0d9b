"""A figure that is sent on says whose it is."""

from pathlib import Path

import pytest
from checkpoints import BertLike
from every_question import BY_NAME, NAMES, answered, given, takes, write_adapters

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
