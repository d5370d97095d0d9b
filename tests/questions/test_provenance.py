"""Factors that are made of W0 are of one commit of it, and every result says which, opened for W0 or not."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from shutil import copytree

import pytest
from commands import run

import lora_lens as ll
from lora_lens.files.locate import DEMO_BASE
from lora_lens.files.revisions import DEMO_REVISION
from lora_lens.questions.answer import Answer

LORA, CONDLORA = (ll.demo_adapter(name) for name in ("lora", "condlora"))
ASKED: Mapping[str, Callable[[], Answer]] = {
    "inspect": lambda: ll.inspect(CONDLORA),
    "compare": lambda: ll.compare(LORA, CONDLORA, beside_w0=False, draws=2),
    "grid": lambda: ll.rank_grids(LORA, CONDLORA, layers=[0], draws=0),
    "matrix": lambda: ll.adapter_matrix([LORA, CONDLORA], draws=0),
}


@pytest.mark.parametrize("name", ASKED)
def test_a_shared_theta_is_of_one_commit(name: str) -> None:
    told = ASKED[name]().to_dict()
    assert (told["base"], told["base_commit"]) == (DEMO_BASE, DEMO_REVISION)


def test_a_run_says_its_base(tmp_path: Path) -> None:
    for step in (5, 10):
        copytree(CONDLORA, tmp_path / f"checkpoint-{step}")
    told = ll.dynamics(tmp_path).to_dict()
    assert (told["base"], told["base_commit"]) == (DEMO_BASE, DEMO_REVISION)


def test_a_report_says_the_commit(tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    told = json.loads(run("report", LORA, "-o", page, "--draws", 2, "--json").stdout)
    for one in (told, *told["adapters"]):
        assert (one["base"], one["base_commit"]) == (DEMO_BASE, DEMO_REVISION)
    assert f"{DEMO_BASE}, commit {DEMO_REVISION}" in page.read_text(encoding="utf-8")


def test_factors_of_their_own_are_of_no_commit() -> None:
    assert ll.load_adapter(LORA).base_commit is None
    assert ll.inspect(LORA).to_dict()["base_commit"] is None


def test_a_spectrum_says_its_draws() -> None:
    assert ll.spectrum(LORA, "value", draws=2).to_dict()["draws"] == 2
    assert ll.spectrum(LORA, "value", beside_w0=False).to_dict()["draws"] is None
