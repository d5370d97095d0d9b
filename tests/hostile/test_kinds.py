"""Kinds of broken and hostile files, each refused in one line or read right."""

import csv
import io
import json
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from checkpoints import BertLike, random, write_base, write_config, write_lora, write_tensors
from rich.text import Text
from safetensors.torch import save_file
from torch import Tensor, nn
from typer.testing import CliRunner

import lora_lens as ll
from lora_lens.bases.experts import slice_of
from lora_lens.bases.image_unet import diffusers_path
from lora_lens.bases.quantised.gguf_names import transformers_name
from lora_lens.cli import app
from lora_lens.errors import AdapterError, FileFormatError, LensError
from lora_lens.files.names import is_number
from lora_lens.printable import one_line, printable, safe_stem
from lora_lens.show.csv_text import as_csv
from lora_lens.show.files import write_result
from lora_lens.show.layout import Table
from lora_lens.show.text import as_latex, as_markdown
from lora_lens.terminal.printing import show_text

SHAPE = BertLike(layers=2, width=8, rank=2)
ESC = "\x1b[31m\x07\u202e"
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029]")


def config(folder: Path, **settings: Any) -> Path:
    write_config(folder, base=None, **{"r": 2} | settings)
    return folder


def refused(folder: Path, why: str, base: Path | None = None) -> str:
    with pytest.raises(LensError, match=why) as caught:
        ll.load_adapter(folder, base)
    said = str(caught.value)
    assert "\n" not in said
    assert not CONTROLS.search(said)
    assert len(said) < 3000
    return said


@pytest.fixture
def lora(tmp_path: Path) -> Path:
    return write_lora(tmp_path / "lora", SHAPE)


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize(
    "name",
    [
        f"base_model.model.h.0.{ESC}q.lora_A.weight", "base_model.model.h.0.q\n.lora_A.weight",
        "base_model.model.h.0." + "q" * 5000 + ".lora_A.weight",
        "base_model.model." + "h." * 500 + "lora_A.weight", "\ud800", "a\x00b",
    ],
)  # fmt: skip
def test_names_that_cannot_be_shown(name: str, binary: bool, lora: Path) -> None:
    if not binary and "\ud800" in name:
        pytest.skip("no such text in a header of UTF-8")
    (lora / "adapter_model.safetensors").unlink()
    write_tensors(lora, {**SHAPE.adapter, name: torch.ones(2, 2)}, binary=binary)
    refused(lora, "cannot be printed|letters and")


@pytest.mark.parametrize(
    "number",
    [
        "9" * 5000,
        "9" * 400,
        "٣",
        "３",
        "³",
        "一",
        "00",
        "03",
        "-1",
        "-3",
        "−3",
        "+3",
        "1_0",
        "1" * 10,
    ],
)
def test_numbers_that_are_no_layers(number: str, tmp_path: Path) -> None:
    assert not is_number(number)
    a, b = random(2, 8, seed=1), random(8, 2, seed=2)
    path = f"base_model.model.h.{number}.q"
    write_tensors(tmp_path, {f"{path}.lora_A.weight": a, f"{path}.lora_B.weight": b})
    config(tmp_path)
    if len(number) > 1000:
        refused(tmp_path, "letters and")
    else:
        adapter = ll.load_adapter(tmp_path)
        assert list(adapter.modules) == ["q"]
        assert not adapter.in_layers
        (said,) = [note for note in adapter.notes if "no layer's number" in note]
        assert f"h.{number}" in said
        assert any("no layer's number" in note for note in ll.spectrum(adapter).notes)


def test_names_beside_layers_that_read_as_numbers_take_none_of_theirs(lora: Path) -> None:
    usual = ll.load_adapter(lora)
    assert not any("no layer's number" in note for note in usual.notes)
    more = {
        name.replace("layer.0", f"layer.{number}"): random(*factor.shape, seed=9)
        for name, factor in SHAPE.adapter.items()
        for number in ("٣", "-3")
        if "layer.0" in name
    }
    write_tensors(lora, SHAPE.adapter | more)
    adapter = ll.load_adapter(lora)
    (said,) = [note for note in adapter.notes if "no layer's number" in note]
    assert "layer.٣" in said
    assert "layer.-3" in said
    numbered = {name: adapter.modules[name].layers for name in adapter.in_layers}
    assert sorted(numbered.values()) == [(0, 1), (0, 1)]
    assert len(adapter.modules) == 6


@pytest.mark.parametrize("number", ["٣", "３", "-3"])
def test_numbers_of_experts_and_blocks_have_the_digits_of_a_layers(number: str) -> None:
    stack = "layers.0.mlp.experts.down_proj"
    for one, found in (("3", True), (number, False)):
        assert (slice_of(f"layers.0.mlp.experts.{one}.down_proj", [stack]) is not None) == found
        assert (transformers_name(f"blk.{one}.attn_q.weight") is not None) == found
        assert (diffusers_path(f"input_blocks.{one}.1.proj_in") is not None) == found


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"lora_alpha": 10**100}, None),
        ({"lora_alpha": 10**400}, "expected at most 300"),
        ({"lora_alpha": True}, "expected a finite number"),
        ({"lora_alpha": "8"}, "expected a finite number"),
        ({"lora_alpha": float("nan")}, "expected a finite number"),
        ({"lora_alpha": float("inf")}, "expected a finite number"),
        ({"r": 10**250}, "adapter_config.json says"),
        ({"r": [1] * 10_000}, "adapter_config.json says"),
        ({"rank_pattern": ["query"]}, "names to numbers"),
        ({"rank_pattern": {"(a+)+b": 4, "(x": 1}}, "no regular expression"),
        ({"rank_pattern": {"a{99999999999}": 4}}, "no regular expression"),
        ({"alpha_pattern": {"(" * 3000 + ")" * 3000: 4}}, "letters"),
        ({"alpha_pattern": {"query": {}}}, "expected a finite number"),
        ({"alpha_pattern": {"(a*)*b": 3, "que[r]y": 16}}, None),
        ({"target_modules": "(a+)+b" * 100}, None),
        ({"peft_type": [f"LORA{ESC}"]}, "peft_type"),
        ({"base_model_name_or_path": ESC}, None),
        ({"base_model_name_or_path": "x" * 5000}, None),
        ({"base_model_name_or_path": "a\x00b", "auto_mapping": {"parent_library": ESC}}, None),
        ({"revision": ESC}, None),
    ],
)  # fmt: skip
def test_settings_of_other_types_and_sizes(
    settings: Mapping[str, Any], why: str | None, lora: Path
) -> None:
    config(lora, **settings)
    if why is not None:
        refused(lora, why)
        return
    adapter = ll.load_adapter(lora)
    assert not CONTROLS.search(repr(adapter) + repr(adapter.origin))
    ll.spectrum(adapter, "query", beside_w0=False)


@pytest.mark.parametrize("content", ["[" * 10**5, '{"a":' * 10**5, "{", "[]", "\ufeff[]", "NaN", '{"a": 1' + "0" * 5000 + "}"])  # fmt: skip
def test_configurations_that_are_none(content: str, lora: Path) -> None:
    (lora / "adapter_config.json").write_text(content, encoding="utf-8")
    refused(lora, "JSON")


@pytest.mark.parametrize(
    "wanted", [1.5, [1.5], "all", {"a": 1}, [[0]], 10**200], ids=["float", "floats", "word", "object", "lists", "huge"]
)  # fmt: skip
def test_layers_to_transform_of_other_types(wanted: Any, tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", SHAPE)
    theta = {f"query.linear_for_lora_{k}": random(2, 8, seed=1) for k in "AB"}
    write_tensors(tmp_path / "lora", theta)
    config(tmp_path / "lora", peft_type="ConditionalLORA", layers_to_transform=wanted)
    refused(tmp_path / "lora", "layers_to_transform is|no layer of", base)


@pytest.mark.parametrize("modules", [3, None, [], {"query": 3}, {"query": [3]}, {"query": []}])
def test_condlora_modules_of_other_types(modules: Any, tmp_path: Path) -> None:
    write_tensors(tmp_path, {f"query.theta_{k}": random(8, 2, seed=1) for k in "AB"})
    config(tmp_path, peft_type="CONDLORA", convention="stored", condlora_modules=modules)
    refused(tmp_path, "does not list the layers")


@pytest.mark.parametrize("name", ["x" * 256, "x" * 10_000, "a\x00b", ".", "", "sub/../../x", "/etc/passwd", "C:\\x"])  # fmt: skip
def test_shards_that_are_no_files(name: str, tmp_path: Path) -> None:
    index = {"weight_map": dict.fromkeys(["a.lora_A.weight", "a.lora_B.weight"], name)}
    (tmp_path / "adapter_model.safetensors.index.json").write_text(json.dumps(index))
    config(tmp_path)
    refused(tmp_path, "has no file|outside its folder|letters and")


def test_links_out_of_the_folder(lora: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (lora / name).replace(outside / name)
        (lora / name).symlink_to(outside / name)
        refused(lora, "outside its folder; refusing to follow it")
        (lora / name).unlink()
        (outside / name).replace(lora / name)
    linked = tmp_path / "linked.safetensors"  # asked for by its own name
    linked.symlink_to(lora / "adapter_model.safetensors")
    with pytest.raises(AdapterError, match=r"no adapter_config\.json beside it"):
        ll.load_adapter(linked)
    best = tmp_path / "best"  # a whole folder is one
    best.symlink_to(lora)
    assert ll.load_adapter(best).modules.keys() == {"query", "value"}


def test_links_into_the_hubs_cache_are_its_own(lora: Path, tmp_path: Path) -> None:
    blobs = tmp_path / "models--me--x" / "blobs"
    snapshot = tmp_path / "models--me--x" / "snapshots" / ("0" * 40)
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for k, file in enumerate(lora.iterdir()):
        file.replace(blobs / str(k))
        (snapshot / file.name).symlink_to(blobs / str(k))
    assert ll.load_adapter(snapshot).modules.keys() == {"query", "value"}


KINDS: Mapping[str, Any] = {
    "a float8 among float32": (torch.float8_e4m3fn, torch.float32),
    "two float8": (torch.float8_e4m3fn, torch.float8_e5m2),
    "bfloat16 and float8": (torch.bfloat16, torch.float8_e5m2),
    "all float8": (torch.float8_e5m2, torch.float8_e5m2),
    "float16 and float64": (torch.float16, torch.float64),
}


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_types_beside_each_other_are_read_right(kind: str, binary: bool, tmp_path: Path) -> None:
    one, other = KINDS[kind]
    tensors = {
        name: tensor.to(one if k % 3 else other)
        for k, (name, tensor) in enumerate(_lora(tmp_path / "first").items())
    }
    write_tensors(tmp_path / "lora", tensors, binary=binary)
    adapter = ll.load_adapter(config(tmp_path / "lora"))
    for name in ("query", "value"):
        factors = adapter.modules[name]
        for k, path in enumerate(factors.names):
            for factor, letter in ((factors.a[k], "A"), (factors.b[k], "B")):
                expected = tensors[f"base_model.model.{path}.lora_{letter}.weight"].double()
                torch.testing.assert_close(factor.double(), expected, rtol=0, atol=0)
    found = ll.spectrum(adapter, "query", beside_w0=False)
    assert found.rows()


def _lora(folder: Path) -> dict[str, Tensor]:
    write_lora(folder, SHAPE)
    return SHAPE.adapter


def test_parameters_are_their_tensors(tmp_path: Path) -> None:
    plain = {name: tensor.clone() for name, tensor in _lora(tmp_path / "first").items()}
    write_tensors(tmp_path / "lora", {k: nn.Parameter(v) for k, v in plain.items()}, binary=True)
    found = ll.load_adapter(config(tmp_path / "lora")).modules["query"]
    expected = plain[f"base_model.model.{found.names[1]}.lora_A.weight"]
    torch.testing.assert_close(found.a[1], expected)


def test_products_that_are_large_of_small_files_are_refused(tmp_path: Path) -> None:
    wide = torch.ones(150, 150)
    tensors = {"lora_unet_x.lokr_w1": wide, "lora_unet_x.lokr_w2": wide}
    save_file({k: v.clone() for k, v in tensors.items()}, tmp_path / "a.safetensors")
    refused(tmp_path, "more than the .* numbers")


def test_names_with_brackets_are_escaped_in_patterns(tmp_path: Path) -> None:
    tensors = {}
    for k, name in enumerate(("h.0.q[0", "h.1.q[0", "h.0.(v", "h.0.*+")):
        tensors[f"base_model.model.{name}.lora_A.weight"] = random(2, 8, seed=k)
        tensors[f"base_model.model.{name}.lora_B.weight"] = random(8, 2, seed=k + 9)
    write_tensors(tmp_path, tensors)
    found = ll.suggest_ranks(ll.load_adapter(config(tmp_path)))
    assert len(found.rank_pattern) == 4
    for key in found.rank_pattern:
        assert sum(bool(re.match(rf"(.*\.)?({key})$", one.name)) for one in found.layers) == 1


HOSTILE = "=1+1\x1b[31m<img src=x>|`rm`[a](javascript:x)\\input{x}^~$\\frac$_"
TABLE = Table(HOSTILE, ["name", HOSTILE], [[HOSTILE, "-0.5"], ["\u202e@x", "1"]])


def test_tables_of_hostile_names() -> None:
    cells = list(csv.reader(io.StringIO(as_csv([{"a": HOSTILE, "b": -0.5}, {"a": "@x", "b": 1}]))))
    assert [row[0][:2] for row in cells[1:]] == ["'=", "'@"]
    assert cells[1][1] == "-0.5"
    latex, markdown = as_latex([TABLE], HOSTILE), as_markdown([TABLE], said=HOSTILE)
    for text in (latex, markdown, as_csv([{"a": HOSTILE}])):
        assert not CONTROLS.search(text)
    assert "\\input" not in latex
    assert latex.count("\\textbackslash{}input") == 3
    assert latex.count("\\^{}\\textasciitilde{}") == 3
    assert re.findall(r"\\label\{(.*)\}", latex) == [
        "tab:1-1-31m-img-src-x-rm-a-javascript-x-input-x-frac"
    ]
    body = markdown.split("\n\n", 1)[1]
    assert not re.search(r"(?<!\\)[<`]", body)
    assert not re.search(r"(?<!\\)\[[^\]]*\]\(", body)


def test_the_terminal_gets_no_control_character_of_a_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from lora_lens.show.console import table

    show_text(lambda _: table(TABLE))
    show_text(lambda _: table(TABLE._replace(head=["[/red]", "[bold]x"]), wide=True))
    show_text(lambda _: Text(f"a{ESC}b"))
    out = capsys.readouterr().out
    assert not CONTROLS.search(out)
    assert "[/red]" in out


def test_figures_and_files_of_hostile_names(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    from lora_lens.show.style import words

    figure = Figure()
    ax = figure.subplots()
    ax.set_title(words(HOSTILE))
    ax.set_xlabel(words(f"{ESC}‖ΔW‖_F $x"))
    written = write_result(
        f"../{HOSTILE}{'x' * 300}", {"a": 1}, [TABLE], texts={".csv": "a\n"}, figures={"": figure}, folder=tmp_path
    )  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(written)
    assert all(len(name.encode()) < 140 and re.fullmatch(r"[\w.-]+", name) for name in written)
    (svg,) = tmp_path.glob("*.svg")
    found = "".join(ElementTree.fromstring(svg.read_bytes()).itertext())
    assert not CONTROLS.search(found)
    assert "<img src=x>" in found


def test_a_folder_whose_name_cannot_be_printed(lora: Path, tmp_path: Path) -> None:
    lora.rename(tmp_path / f"a{ESC}b")
    refused(tmp_path / f"a{ESC}b", "cannot be printed")
    result = CliRunner().invoke(app, ["inspect", str(tmp_path)])
    assert result.exit_code == 1
    assert not CONTROLS.search(result.output.replace("\n", ""))


def test_a_trainers_header_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    tensors = {
        "lora_unet_mid_block_q.lora_down.weight": random(2, 8, seed=1),
        "lora_unet_mid_block_q.lora_up.weight": random(8, 2, seed=2),
    }
    save_file(tensors, tmp_path / "a.safetensors", {"ss_base_model_version": ESC + "x" * 5000})
    notes = " ".join(ll.load_adapter(tmp_path).notes)
    assert "header says" in notes
    assert not CONTROLS.search(notes)
    assert len(notes) < 1000


@pytest.mark.parametrize(
    "said", ["a\x1b[2Jb", "one\ntwo\u2028three", "x" * 10**6, "y " * 10**5, "\x9b31m"]
)
def test_an_error_is_one_line(said: str) -> None:
    found = str(FileFormatError(said))
    assert found == one_line(found) == printable(found)
    assert "\n" not in found
    assert len(found) <= 2001


def test_stems_stay_apart_and_short() -> None:
    stems = {safe_stem("x" * 200 + end) for end in "abc"}
    assert len(stems) == 3
    assert all(len(stem) <= 120 for stem in stems)
    assert safe_stem("similarity-q.proj") == "similarity-q.proj"


@pytest.mark.parametrize("kind", ["complex64", "int64", "bool", "uint8"])
def test_numbers_that_are_no_floats(kind: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for binary in (False, True):
            tensors = {k: v.to(getattr(torch, kind)) for k, v in _lora(tmp_path / "a").items()}
            folder = tmp_path / f"lora-{binary}"
            try:
                write_tensors(folder, tensors, binary=binary)
            except KeyError:  # an older safetensors writes no complex numbers
                assert (kind, binary) == ("complex64", False)
                continue
            refused(config(folder), "expected floats|cannot read|not a whole")


def test_thetas_of_two_ranks(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", SHAPE)
    path = f"bert.{SHAPE.path(0, 'query')}"
    tensors = {
        "query.theta_A": random(8, 2, seed=1), "query.theta_B": random(8, 3, seed=2),
        f"{path}.lambda": random(2, 1, seed=3),
    }  # fmt: skip
    write_tensors(tmp_path / "lora", tensors)
    config(
        tmp_path / "lora", peft_type="CONDADALORA", convention="consistent", condlora_modules={"query": [path]}
    )  # fmt: skip
    refused(tmp_path / "lora", "θ_A of query has rank 2 and θ_B 3", base)


def test_a_magnitude_of_eight_bits(tmp_path: Path) -> None:
    tensors = dict(_lora(tmp_path / "first"))
    for name in list(tensors):
        if name.endswith("lora_A.weight"):
            path = name.removesuffix("lora_A.weight")
            kind = torch.float8_e4m3fn if ".0." in name else torch.float32
            tensors[f"{path}lora_magnitude_vector"] = torch.ones(8).to(kind)
    write_tensors(tmp_path / "lora", tensors)
    factors = ll.load_adapter(config(tmp_path / "lora", use_dora=True)).modules["query"]
    assert factors.magnitude is not None
    assert torch.equal(factors.magnitude, torch.ones(2, 8))
