"""A place whose W0 the base has not: its conversions are left out, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from checkpoints import BertLike, random, write_base, write_lora
from made_runs import everything

import lora_lens as ll
from lora_lens.errors import BaseModelError

ASKED = ["spectrum", "pairs", "conversions"]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Four adapters of its one module, and five that have one more, which it lacks."""
    both = BertLike(layers=2, modules=("value", "query"))
    for k in range(9):
        own = both if k > 3 else BertLike(layers=2, modules=("value",))
        write_lora(tmp_path / "runs" / f"{k}", own, seed=k + 1)
    return base_of(tmp_path / "base", value=24)


def base_of(folder: Path, **widths: int) -> Path:
    """A base of two layers that has these modules, of these widths."""
    shape = BertLike(layers=2)
    return write_base(folder, shape, {
        f"{shape.path(layer, module)}.weight": random(width, width, seed=10 * layer + k)
        for layer in range(2)
        for k, (module, width) in enumerate(widths.items())
    })  # fmt: skip


def test_its_other_questions_go_on_and_its_adapters_are_named(base: Path, tmp_path: Path) -> None:
    result = ll.survey(tmp_path / "runs", tmp_path / "out", questions=ASKED, base=base)
    assert result.places == 4
    assert [where for where, _ in result.failed] == ["query 0", "query 1"]
    for _, why in result.failed:
        assert why.startswith(
            "no conversions: the base has no W0 here that fits 4, 5, 6 and 2 more: no weight of bert.encoder.layer."
        )
    rows = result.table("places")
    of_w0 = rows["matrix"].str.startswith("conversion")
    assert set(rows[of_w0]["module"]) == {"value"}
    assert set(rows[~of_w0]["module"]) == {"value", "query"}
    alone = ll.survey(tmp_path / "runs", tmp_path / "alone", questions=ASKED[:2])
    name = result.place_files["query", 0]
    assert alone.place_files["query", 0] == name
    assert (alone.out / name).read_bytes() == (result.out / name).read_bytes()


def test_shards_and_their_join_agree_and_nothing_is_done_twice(base: Path, tmp_path: Path) -> None:
    runs, out = tmp_path / "runs", tmp_path / "out"
    ll.survey(runs, tmp_path / "whole", questions=ASKED, base=base)
    first = ll.survey(runs, out, questions=ASKED, base=base, shard="1/2")
    assert [where for where, _ in first.failed] == ["query 0", "query 1"]
    before = {path: path.stat().st_mtime_ns for path in (out / "places").iterdir()}
    ll.survey(runs, out, questions=ASKED, base=base, shard="2/2")
    ll.survey(runs, out, questions=ASKED, base=base)
    assert everything(out) == everything(tmp_path / "whole")
    assert all(path.stat().st_mtime_ns == then for path, then in before.items())


def test_a_base_that_has_it_later_is_asked(base: Path, tmp_path: Path) -> None:
    ll.survey(tmp_path / "runs", tmp_path / "out", questions=ASKED, base=base)
    base_of(base, value=24, query=24)
    result = ll.survey(tmp_path / "runs", tmp_path / "out", questions=ASKED, base=base)
    assert not result.failed
    assert json.loads((tmp_path / "out" / "survey.json").read_text())["failed"] == []
    assert set(result.table("places")["module"]) == {"value", "query"}


def test_a_w0_of_another_shape_is_none(base: Path, tmp_path: Path) -> None:
    base_of(base, value=24, query=8)
    result = ll.survey(tmp_path / "runs", tmp_path / "out", questions=ASKED, base=base)
    assert [where for where, _ in result.failed] == ["query 0", "query 1"]
    assert all("is 8x8, but the adapters were trained on 24x24" in why for _, why in result.failed)


def test_a_base_that_has_none_of_all_is_another(base: Path, tmp_path: Path) -> None:
    base_of(base, key=24)
    with pytest.raises(BaseModelError, match=r"^no weight of .*adapter's base model\?$"):
        ll.survey(tmp_path / "runs", tmp_path / "out", questions=ASKED, base=base)
    assert not (tmp_path / "out").exists()


def test_a_w0_that_cannot_be_read_is_no_lack(base: Path, tmp_path: Path) -> None:
    shape = BertLike(layers=2)
    broken = {
        f"{shape.path(layer, module)}.weight": random(24, 24, seed=layer)
        for layer in range(2)
        for module in shape.modules
    }
    broken[f"{shape.path(1, 'query')}.weight"][0] = float("nan")
    write_base(base, shape, broken)
    with pytest.raises(BaseModelError, match="NaN"):
        ll.survey(tmp_path / "runs", tmp_path / "out", questions=ASKED, base=base)


def test_stored_minds_no_shape_of_what_is_not_there(base: Path, tmp_path: Path) -> None:
    name = "base_model.model.encoder.layer.0.up.lora"
    extra = {f"{name}_A.weight": random(4, 8, seed=1), f"{name}_B.weight": random(16, 4, seed=2)}
    write_lora(tmp_path / "runs" / "up", BertLike(layers=2, modules=("value",)), extra=extra)
    result = ll.survey(
        tmp_path / "runs", tmp_path / "out", questions=ASKED, base=base, convention="stored"
    )
    assert [where for where, _ in result.failed] == ["query 0", "query 1", "up 0"]
