from importlib import import_module
from typing import get_args

import pytest

from lora_lens import outputs
from lora_lens.tables import Kind

KINDS = get_args(Kind)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_tables_by_its_name(kind: str) -> None:
    module = import_module(f"lora_lens.tables.{kind}")
    assert callable(module.terminal)
    assert outputs._KINDS[kind].tables is module.tables


def test_files_are_written_of_every_kind() -> None:
    assert set(outputs._KINDS) == set(KINDS)
    figures = [files.figure for files in outputs._KINDS.values()]
    assert len(set(figures)) == len(KINDS)
