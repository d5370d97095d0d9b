"""What pages say of `shared` beforehand: how long it takes, how much memory, how many draws for which p."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import lora_lens as ll
from lora_lens.chance.least_memory import leasts
from lora_lens.chance.p_values import fewest_draws
from lora_lens.core.computing.work import Size, Work, seconds_of
from lora_lens.questions.shared.least import of_forwards
from lora_lens.questions.shared.work import work
from lora_lens.subspaces.conversions import Plan

DOCS = Path(ll.__file__).parents[1] / "docs"
CORE = Work(40e9, 1.4e9, 5e4)
SEVEN_B = Size(layers=32, rows=4096, columns=4096, rank=16, draws=200)


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def seconds(of: Size) -> float:
    return seconds_of(work(of), CORE)


def test_hours_of_a_7b_are_what_the_page_says() -> None:
    rows = re.findall(r"^\| (\d+)(?:, the default)? \| (\d\.\d) \|$", page("cli.md"), re.MULTILINE)
    assert len(rows) == 4
    for draws, hours in rows:
        assert f"{seconds(SEVEN_B._replace(draws=int(draws))) / 3600:.1f}" == hours


def test_its_memory_is_what_the_page_says() -> None:
    factors: Any = SimpleNamespace(
        layers=range(32), ranks=(16,) * 32, out_features=4096, in_features=4096
    )
    plan = Plan(factors, ("A", "B"), 16, 16, "left", "stored", 200)
    least = max(one.size for one in leasts(plan, ("propagated",), *of_forwards(plan, 16)))
    waiting = 3 * 8 * 32 * 4096**2  # W0, and both sides' directions
    assert f"{least / 1e9:.1f} GB of memory at the least" in page("cli.md")
    assert f"singular directions, {waiting / 1e9:.0f} GB," in page("cli.md")


def measured() -> list[tuple[Size, float]]:
    record = json.loads((DOCS / "benchmarks" / "kernels.json").read_text(encoding="utf-8"))
    found = [
        (Size(one["layers"], one["width"], one["width"], 8, 200), one["shared"])
        for one in record["shared"]
    ]
    usual = Size(8, 768, 768, 8, 200)
    for one in record["growth"]:
        if one["question"] != "shared_subspace":
            continue
        for size, took in zip(one["sizes"], one["seconds"], strict=True):
            varied = {"rows": size, "columns": size} if one["of"] == "width" else {one["of"]: size}
            found.append((usual._replace(**varied), took))
    return found


@pytest.mark.parametrize(("size", "took"), measured())
def test_the_reckoning_is_within_what_the_page_says_of_it(size: Size, took: float) -> None:
    factor = float(
        re.findall(r"within a factor of (\d\.\d) of what was measured", page("cli.md"))[0]
    )
    assert 1 / factor < seconds(size) / took < factor


def test_draws_for_a_p_are_what_the_page_says() -> None:
    rows = re.findall(r"^\| (\.\d+) \| (\d.*) \|$", page("recipes.md"), re.MULTILINE)
    assert len(rows) == 4
    for p, draws in rows:
        said = [int(one) for one in draws.split(" | ")]
        assert said == [fewest_draws(float(p), tests=tests) for tests in (1, 2, 4, 24)]
