"""Places are called as one adapter that had them all would call its modules, whoever has which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import random, write_config, write_tensors
from made_runs import everything, write_adapter

import lora_lens as ll
from lora_lens.formats.factors.grouping import group_by_module
from lora_lens.survey.places import places_of
from lora_lens.survey.reading import Piece, Unread, read_adapter
from lora_lens.updates import LowRank, made

BERT = "encoder.layer.{}.{}"
INNER, OUTER = "intermediate.dense", "output.dense"
SWIN = "swin.encoder.layers.{}.blocks.{}.attention.self.query"
UNET = "unet.{}.transformer_blocks.0.{}.to_q"
BLOCKS = {
    "down_blocks.0.attentions.0": 8, "down_blocks.0.attentions.1": 8, "down_blocks.1.attentions.0": 16,
    "mid_block.attentions.0": 32, "up_blocks.1.attentions.0": 16, "up_blocks.1.attentions.1": 16,
}  # fmt: skip


def write(folder: Path, widths: Mapping[str, int], *, seed: int = 0) -> Path:
    """An adapter of rank 2 of modules by their paths, each square."""
    tensors = {}
    for k, (path, width) in enumerate(widths.items()):
        name = f"base_model.model.{path}"
        tensors[f"{name}.lora_A.weight"] = random(2, width, seed=1000 * seed + 2 * k)
        tensors[f"{name}.lora_B.weight"] = random(width, 2, seed=1000 * seed + 2 * k + 1)
    write_tensors(folder, tensors)
    write_config(folder, base=None, r=2)
    return folder


def pieces_of(path: Path, number: int = 0) -> list[Piece]:
    read = read_adapter(str(path), number, None)
    assert not isinstance(read, Unread)
    return read[1]


def names_at(*adapters: Path) -> dict[str, tuple[str, int | None]]:
    """Path of every place to what it is called."""
    pieces = [piece for number, path in enumerate(adapters) for piece in pieces_of(path, number)]
    return {place.path: (place.module, place.layer) for place in places_of(pieces)[0]}


def of_layers(*modules: str, prefix: str = "", layers: Sequence[int] = (0, 1)) -> dict[str, int]:
    return {f"{prefix}{BERT.format(layer, module)}": 8 for layer in layers for module in modules}


SETS = {
    "bert": of_layers(INNER, OUTER, "attention.output.dense"),
    "swin": {SWIN.format(s, b): 8 << s for s in range(3) for b in range(2)},
    "unet": {UNET.format(b, a): w for b, w in BLOCKS.items() for a in ("attn1", "attn2")},
    "by shape": {"layers.0.q_proj": 8, "layers.1.q_proj": 12, "layers.2.q_proj": 8, "lm_head": 8},
    "towers": {f"{t}.layers.{k}.{m}": 8 for t, m in (("vision", "value"), ("model", "v_proj")) for k in range(2)},
    "experts": {f"model.layers.{k}.experts.{e}.w1": 8 for k in range(2) for e in range(2)},
}  # fmt: skip


@pytest.mark.parametrize("which", SETS)
def test_one_adapter_or_one_of_each_path_have_the_names_of_an_adapter(
    tmp_path: Path, which: str
) -> None:
    """Those of one module each are no adapter's own names."""
    widths = SETS[which]
    updates = {path: _update(width) for path, width in widths.items()}
    expected = {
        member.path: (group.module, member.layer if "*" in group.pattern else None)
        for group in group_by_module(updates)
        for member in group.members
    }
    assert names_at(write(tmp_path / "whole", widths)) == expected
    parts = [write(tmp_path / f"{k}", {path: width}) for k, (path, width) in enumerate(widths.items())]  # fmt: skip
    assert names_at(*parts) == names_at(*parts[::-1]) == expected


def _update(width: int) -> LowRank:
    return LowRank(made("A", torch.zeros(2, width)), made("B", torch.zeros(width, 2)), 1.0, ())


def test_what_some_have_before_their_paths_parts_no_module(tmp_path: Path) -> None:
    bare = write(tmp_path / "bare", of_layers(INNER, layers=[0]))
    headed = write(tmp_path / "headed", of_layers(INNER, OUTER, prefix="bert.", layers=[0, 1]))
    named = names_at(headed, bare)
    assert set(named.values()) == {(module, k) for module in (INNER, OUTER) for k in range(2)}
    assert named == names_at(bare, headed)


def test_what_dora_rescales_is_apart_where_adapters_agree(tmp_path: Path) -> None:
    plain = pieces_of(write(tmp_path / "some", of_layers(INNER)))
    some = [replace(piece, rescaled=piece.layer == 0) for piece in plain]
    assert {place.module for place in places_of(some)[0]} == {"dense@dora", "dense@lora"}
    other = [replace(piece, adapter=1) for piece in plain]
    assert {place.module for place in places_of([*some, *other])[0]} == {"dense"}


def test_a_role_of_a_fused_projection_is_called_by_its_role(tmp_path: Path) -> None:
    tensors = {}
    for layer in range(2):
        name = f"base_model.model.transformer.h.{layer}.attn.c_attn"
        tensors[f"{name}.lora_A.weight"] = random(2, 8, seed=layer)
        tensors[f"{name}.lora_B.weight"] = random(24, 2, seed=layer + 9)
    write_tensors(tmp_path / "gpt2", tensors)
    write_config(tmp_path / "gpt2", base=None, r=2, fan_in_fan_out=True)
    result = ll.survey(tmp_path / "gpt2", tmp_path / "out", questions="spectrum")
    assert set(result.place_files) == {(m, k) for m in ("query", "key", "value") for k in range(2)}


def test_the_first_adapter_names_no_place(tmp_path: Path) -> None:
    """It called a place `dense` that all others call `intermediate.dense`, and what failed there had a third name."""
    runs = tmp_path / "runs"
    write(runs / "0", of_layers(INNER), seed=99)
    for k in range(1, 6):
        write(runs / f"{k}", of_layers(INNER, OUTER), seed=k)
    write(runs / "wide", dict.fromkeys(of_layers(OUTER), 12), seed=7)
    result = ll.survey(runs, tmp_path / "out", questions=["spectrum"])
    assert set(result.table("spectrum")["module"]) == {INNER, OUTER}
    failed = result.table("failed")
    assert set(failed["adapter"]) == {"wide"}
    assert list(zip(failed["module"], failed["layer"], strict=True)) == [(OUTER, 0), (OUTER, 1)]


def test_adapters_of_one_module_each_are_grouped_by_it(tmp_path: Path) -> None:
    """The places had whole paths for names, each with its layer."""
    for k, module in enumerate([INNER, OUTER, INNER, OUTER]):
        write(tmp_path / "runs" / f"{k}", of_layers(module), seed=k)
    result = ll.survey(tmp_path / "runs", tmp_path / "out", questions=["spectrum"])
    assert set(result.place_files) == {(m, k) for m in (INNER, OUTER) for k in range(2)}


def test_another_order_of_adapters_draws_nothing_anew(tmp_path: Path) -> None:
    """The seed of a place's draws has its name and its path, which were the first adapter's."""
    given = [of_layers(INNER), *[of_layers(INNER, OUTER, prefix="bert.")] * 10]
    found = []
    for order in (list(range(11)), list(range(11))[::-1]):
        runs = tmp_path / f"{order[0]}" / "runs"
        for at, which in enumerate(order):
            write(runs / f"{at:02}", given[which], seed=which)
        result = ll.survey(runs, runs.parent / "out", questions=["subspace"], k=4)
        rows = result.table("subspace").query("directions == 'random adapters'")
        found.append(rows.sort_values(["module", "layer", "side", "k"])["fitted"].to_numpy())
    assert len(found[0])
    np.testing.assert_allclose(found[0], found[1], atol=1e-9)


def test_an_adapters_name_changes_no_place(tmp_path: Path) -> None:
    for k in range(4):
        write(tmp_path / "runs" / f"{k}", of_layers(INNER, OUTER) if k else of_layers(INNER), seed=k)  # fmt: skip
    out = tmp_path / "out"
    ll.survey(tmp_path / "runs", out, questions=["spectrum"])
    before = {name for name in everything(out) if "places/" in name}
    (tmp_path / "runs" / "0").rename(tmp_path / "runs" / "last")
    ll.survey(tmp_path / "runs", out, questions=["spectrum"])
    after = {name for name in everything(out) if "places/" in name}
    assert {one.split("/")[1].split(".")[0] for one in before | after} == {"intermediate", "output"}
    assert {one for one in before if "output" in one} <= after


def test_which_shape_a_place_has_is_not_by_the_adapters_order(tmp_path: Path) -> None:
    """Where as many have the one as the other, it is the smaller."""
    for k, width in enumerate((12, 24, 24, 12)):
        write_adapter(tmp_path / "a" / f"{k}", seed=k, width=width)
        write_adapter(tmp_path / "b" / f"{k}", seed=k, width=36 - width)
    for folder, left in (("a", ["1", "2"]), ("b", ["0", "3"])):
        result = ll.survey(tmp_path / folder, tmp_path / f"{folder}-out", questions="spectrum")
        assert sorted({*result.table("failed").adapter}) == left
