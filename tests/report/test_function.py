"""`lora_lens.report` is a function and a room, whichever is asked for first."""

from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import lora_lens as ll
from lora_lens.report import write_report
from lora_lens.report.asked import ASKED
from lora_lens.report.options import options_of
from lora_lens.report.request import Request
from lora_lens.report.units import units_of


@pytest.mark.parametrize(
    "first", ["pass", "import lora_lens.report", "from lora_lens.report import write_report"]
)
def test_it_is_called_whatever_was_imported_before(first: str) -> None:
    code = (
        f"{first}\n"
        "import inspect, lora_lens as ll\n"
        "for _ in range(2):\n"
        "    assert 'out' in inspect.signature(ll.report).parameters\n"
        "    assert ll.report.__doc__.startswith('One HTML file')\n"
        "    try:\n"
        "        ll.report()\n"
        "    except TypeError as error:\n"
        "        assert 'adapter' in str(error)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_is_lazy() -> None:
    code = "import sys, lora_lens; assert not [m for m in sys.modules if m.startswith('lora_lens.report')]"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_makes_what_write_report_makes(pair: tuple[Path, Path], tmp_path: Path) -> None:
    from datetime import date

    options = {"draws": 3, "made": date(2024, 2, 29)}
    one = ll.report(*pair, out=tmp_path / "one.html", module="value", **options)
    listed = ll.report(*pair, out=tmp_path / "two.html", module=["value"], **options)
    older = write_report(pair[0], tmp_path / "three.html", pair[1], modules=["value"], **options)
    assert one.read_bytes() == listed.read_bytes() == older.read_bytes()


def test_its_file_is_in_the_working_folder_by_default() -> None:
    assert inspect.signature(ll.report).parameters["out"].default == "report.html"


def test_every_choice_is_one_that_some_question_takes() -> None:
    """A question is given the options that it has: one that none has would be dropped without a word."""
    adapter = ll.load_adapter(ll.demo_adapter("lora"))
    (unit,) = units_of([adapter], [(None, "")], [("value",)])
    given, _ = options_of(unit, Request())
    taken = {name for one in ASKED for name in inspect.signature(one.question.ask).parameters}
    assert {*given} <= taken
    assert {name for one in ASKED for name in one.options} <= taken
    assert {one.name for one in fields(Request)} - {"modules"} <= {*given}
