"""A report within the memory that was asked for: refused before anything is computed, and kept."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import BertLike, write_base, write_lora
from typer.testing import CliRunner

import lora_lens as ll
from lora_lens.cli import app
from lora_lens.errors import LensError
from lora_lens.questions.question import Question
from lora_lens.report.analysis import analyse
from lora_lens.report.asked import ASKED, Asked
from lora_lens.report.request import Request
from lora_lens.subspaces import memory
from lora_lens.subspaces.memory import Least, memory_budget

MODULES = ("query", "value")


def written(folder: Path, width: int, rank: int = 4) -> list[ll.Adapter]:
    """Two adapters on one base of four layers."""
    shape = BertLike(layers=4, width=width, modules=MODULES, rank=rank)
    write_base(folder / "base", shape)
    for name in ("one", "other"):
        write_lora(folder / name, shape, base=str(folder / "base"))
    return [ll.load_adapter(folder / name) for name in ("one", "other")]


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[ll.Adapter]:
    monkeypatch.setattr(memory, "_LEAST", Least(1, "nothing"))
    return written(tmp_path, 16)


def test_it_reaches_every_question_that_takes_it(
    pair: list[ll.Adapter], monkeypatch: pytest.MonkeyPatch
) -> None:
    takes = {
        one.question.name
        for one in ASKED
        if "memory" in inspect.signature(one.question.ask).parameters
    }
    assert takes == {"similarity", "shared"}
    seen: list[tuple[str, str, Any]] = []
    ask = Question.ask.fget

    def watched(question: Question) -> Any:
        function = ask(question)

        def called(*adapters: ll.Adapter, module: str, **options: Any) -> Any:
            seen.append((question.name, module, options.get("memory", "not taken")))
            return function(*adapters, module=module, **options)

        called.__signature__ = inspect.signature(function)
        return called

    monkeypatch.setattr(Question, "ask", property(watched))
    analyse(pair[:1], Request(draws=2, memory="3GB"))
    given = {(name, module): asked for name, module, asked in seen}
    assert {key: value for key, value in given.items() if value != "not taken"} == {
        (name, module): "3GB" for name in takes for module in MODULES
    }


def test_every_question_that_reads_w0_says_its_least(
    pair: list[ll.Adapter], tmp_path: Path
) -> None:
    base = ll.open_base(str(tmp_path / "base"))
    options = {
        "rank": None, "convention": "auto", "ridge": 0.0, "draws": 20, "base": base, "beside_w0": True,
    }  # fmt: skip
    found = {
        one.question.name: one.least(pair if one.needs == "other" else pair[:1], "value", options)
        for one in ASKED
    }
    says = {name for name, parts in found.items() if parts}
    assert says >= {one.question.name for one in ASKED if one.needs == "w0"}
    assert "comparison" in says
    # These read W0 where they are said to, or of DoRA alone.
    dora = replace(pair[0].modules["value"], magnitude=torch.ones(4, 16))
    rescaled = replace(pair[0], modules={**pair[0].modules, "value": dora})
    grid = next(one for one in ASKED if one.question.name == "grid")
    assert grid.least([rescaled, pair[1]], "value", options)[0].of.startswith("DoRA's ΔW of 16x16")
    spectrum = next(one.question for one in ASKED if one.question.name == "spectrum")
    least = spectrum.part("least").least
    assert least(pair[0], "value", base=base, beside_w0=True)[0].size > 120 * 16 * 16
    assert least(pair[0], "value", base=None, beside_w0=True) == ()


@pytest.mark.parametrize("name", ["similarity", "shared"])
def test_the_least_is_what_the_question_itself_refuses(name: str, pair: list[ll.Adapter]) -> None:
    asked = next(one for one in ASKED if one.question.name == name)
    options = {"rank": None, "convention": "stored", "ridge": 0.0, "draws": 20}
    parts = asked.least(pair[:1], "value", options)
    with pytest.raises(LensError) as here:
        memory_budget("1", *parts)
    with pytest.raises(LensError) as there:
        asked.ask(pair[:1], "value", options | {"memory": "1"})
    assert str(here.value) == str(there.value)


def test_too_little_is_refused_before_anything_is_computed(
    pair: list[ll.Adapter], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def never(*_: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr("lora_lens.report.analysis._answered", never)
    out = tmp_path / "r.html"
    for adapters in (pair[:1], pair):
        with pytest.raises(LensError, match=r"memory is 1; expected at least \d+MB, for") as error:
            ll.report(*adapters, out=out, draws=20, memory=1)
    # In the command: one line, the same.
    done = CliRunner().invoke(
        app,
        ["report", *(one.source for one in pair), "-o", str(out), "--draws", "20", "--memory", "1"],
    )
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"lora-lens: {error.value}\n"
    assert not out.exists()
    for wrong in ("much", "-1GB"):
        with pytest.raises(LensError, match="expected a size as 500MB"):
            ll.report(pair[0], out=out, memory=wrong)


def test_no_number_depends_on_it(pair: list[ll.Adapter], tmp_path: Path) -> None:
    texts = []
    for asked in (None, "2GB"):
        out = tmp_path / "r.html"
        ll.report(*pair, out=out, draws=5, memory=asked)
        texts.append(re.sub(r"\d{4}-\d\d-\d\d", "", out.read_text()))
    assert texts[0] == texts[1]


MEASURED = """
import json, re, sys, tempfile
import lora_lens as ll

def status(key):
    with open("/proc/self/status") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith(key))

folder, draws = sys.argv[1:]
loaded = ll.load_adapter(folder)
options = dict(device="cpu", draws=int(draws))
out = tempfile.mkdtemp() + "/r.html"
ll.report(ll.demo_adapter("lora"), module="value", out=out, device="cpu", draws=2)  # what the libraries take
try:
    ll.report(loaded, out=out, memory="64MiB", **options)
except ll.LensError as error:
    memory = re.search(r"at least (\\d+MB)", str(error))[1]
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # the peak begins anew
before = status("VmRSS")
ll.report(loaded, out=out, memory=memory, **options)
print(json.dumps([memory, status("VmHWM") - before]))
"""


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="no peak to begin anew")
def test_the_least_is_kept(tmp_path: Path) -> None:
    written(tmp_path, 384, 8)
    command = [sys.executable, "-c", MEASURED, str(tmp_path / "one"), "20"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    asked, taken = json.loads(done.stdout)
    assert taken <= memory_budget(asked).size


def test_what_could_not_be_asked_keeps_nothing_that_was_computed(
    pair: list[ll.Adapter], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error's frames have W0 in them, and the report keeps the error."""
    ask, kept = Asked.ask, list[weakref.ref[torch.Tensor]]()

    def failing(self: Asked, *given: Any) -> Any:
        if self.needs != "other":
            return ask(self, *given)
        w0 = torch.ones(2)
        kept.append(weakref.ref(w0))
        try:
            raise ValueError(f"{w0}")
        except ValueError:
            raise LensError("no inverse") from None

    monkeypatch.setattr(Asked, "ask", failing)
    found = analyse(pair, Request(modules=("value",), draws=2))
    assert [one.why for one in found.left_out] == ["no inverse"] * 2
    assert [one() for one in kept] == [None, None]
