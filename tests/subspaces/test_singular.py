"""Whoever keeps only what was written can tell that W0 was singular: in which layers, of which rank, and by what cut-off."""

from __future__ import annotations

import html
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import BertLike, write_base, write_lora
from commands import run

import lora_lens as ll
from lora_lens import RankDeficientWarning
from lora_lens.core.solving.factoring import factor
from lora_lens.errors import LensError, SingularError
from lora_lens.report.analysis import analyse
from lora_lens.report.request import Request
from lora_lens.report.write import make_report
from lora_lens.subspaces.conversions import Plan
from lora_lens.subspaces.singular import singular_layers

LAYERS = 5  # of which three are at hand at a time
SAID = (
    "W0 of value is singular in layer 0 (rank 23 of 24), layer 1 (rank 23 of 24), layer 3 (rank 23 of 24), layer 4 (rank 22 of 24) "
    "under the cut-off 1.2e-07·σ_max; using the Moore-Penrose solution"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an adapter whose W0 is singular in all layers but one, and of its base."""
    home, shape = tmp_path_factory.mktemp("singular"), BertLike(layers=LAYERS)
    write_base(home / "base", shape)
    base = {name: w0.clone() for name, w0 in shape.base.items()}
    for layer, empty in ((0, [1]), (1, [2]), (3, [3]), (4, [4, 5])):
        base[f"{shape.path(layer, 'value')}.weight"][empty] = 0
    write_base(home / "base", shape, base)
    write_lora(home / "lora", shape, base=str(home / "base"))
    return home


@pytest.mark.parametrize("question", [ll.conversion_similarity, ll.shared_subspace, ll.outliers])
def test_it_is_warned_of_once_and_noted_in_the_same_words(
    folder: Path, question: Callable[..., Any]
) -> None:
    with pytest.warns(RankDeficientWarning) as caught:
        result = question(folder / "lora", "value", convention="consistent", draws=2)
    assert [str(one.message) for one in caught] == [SAID]
    assert result.to_dict()["notes"].count(SAID) == 1


def test_cut_offs_are_those_of_each_layers_dtype(tmp_path: Path) -> None:
    shape = BertLike(layers=2, modules=("value",))
    write_base(tmp_path / "base", shape)
    first, second = (shape.base[f"{shape.path(k, 'value')}.weight"].clone() for k in range(2))
    first[1] = second[2] = 0
    paths = [f"{shape.path(k, 'value')}.weight" for k in range(2)]
    write_base(tmp_path / "base", shape, dict(zip(paths, (first, second.double()), strict=True)))
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    with pytest.warns(RankDeficientWarning, match="Moore-Penrose") as caught:
        ll.conversion_similarity(tmp_path / "lora", convention="consistent", draws=0)
    assert str(caught[0].message) == (
        "W0 of value is singular in layer 0 (rank 23 of 24) under the cut-off 1.2e-07·σ_max and in layer 1 (rank 23 of 24) under the "
        "cut-off 5.3e-15·σ_max; using the Moore-Penrose solution"
    )


def test_an_error_names_no_layer_as_the_last(folder: Path, tmp_path: Path) -> None:
    """It comes before the others are looked at."""
    with pytest.raises(SingularError, match=r"σ_max, and perhaps in others; it has no inverse"):
        ll.conversion_similarity(folder / "lora", "value", convention="stored")
    shape = BertLike(layers=1, modules=("value",))
    write_base(tmp_path / "base", shape)
    name = f"{shape.path(0, 'value')}.weight"
    write_base(tmp_path / "base", shape, {name: 0 * shape.base[name] + 1})
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    with pytest.raises(SingularError, match=r"layer 0 \(rank 1 of 24\) .*σ_max; it has no"):
        ll.conversion_similarity(tmp_path / "lora", "value", convention="stored")


@pytest.mark.parametrize(
    ("ridge", "rank", "error"),
    [
        (0.0, 5, "its conversion matrices have no 8 singular vectors"), (0.0, 8, None),
        (0.1, 191, "over half of its singular values are zero"), (0.1, 192, None),
    ],
)  # fmt: skip
def test_the_layer_of_the_lowest_rank_decides(ridge: float, rank: int, error: str | None) -> None:
    w0 = torch.eye(384, dtype=torch.float64).repeat(2, 1, 1)
    w0[0, 7, 7], w0[1, rank:] = 0, 0
    factors = ll.load_adapter(ll.demo_adapter("lora")).modules["value"]
    plan = Plan(factors, ["B"], 8, 8, "left", "consistent", draws=0, ridge=ridge)
    factored = factor(w0, 2**-23, torch.float64)
    if error is None:
        found = singular_layers(plan, factored, [0, 1])
        assert [one.rank for one in found] == ([] if ridge else [383, rank])
        return
    with pytest.raises(LensError, match=error):
        singular_layers(plan, factored, [0, 1])


@pytest.mark.usefixtures("blank_figures")
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_command_says_it_once_and_its_json_has_it(
    folder: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    asked = ("similarity", folder / "lora", "--module", "value", "--convention", "consistent")
    found = run(*asked, "--draws", 2, "--out", tmp_path, *options)
    assert found.exit_code == 0
    said = " ".join(found.stderr.split()) if options else " ".join(found.stdout.split())
    assert said.count(f"note: {SAID}") == 1
    assert "warning: W0" not in found.stderr
    assert SAID in json.loads((tmp_path / "similarity-value.json").read_text("utf-8"))["notes"]


def test_where_no_note_is_printed_it_is_still_warned_of(folder: Path) -> None:
    asked = ("similarity", folder / "lora", "--module", "value", "--convention", "consistent")
    found = run("--quiet", *asked, "--draws", 2, "--json")
    assert found.stderr == f"warning: {SAID}\n"


def test_a_report_has_it_beside_the_numbers(folder: Path, tmp_path: Path) -> None:
    request = Request(modules=("value",), convention="consistent", draws=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not analyse([ll.load_adapter(folder / "lora")], request).warnings
        make_report(folder / "lora", tmp_path / "r.html", request=request)
    page = html.unescape((tmp_path / "r.html").read_text("utf-8"))
    assert page.count("is singular in layer 0 (rank 23 of 24)") == 1
