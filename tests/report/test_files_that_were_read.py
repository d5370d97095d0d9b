"""A report names every file that its numbers are of, with its checksum, whatever kind of file that is."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from checkpoints import BertLike, write_lora
from made_formats import cases_of
from safetensors.torch import load_file, save_file

import lora_lens as ll
from lora_lens.report.analysis import analyse
from lora_lens.report.provenance import files_table
from lora_lens.report.request import Request
from lora_lens.reproduction.runs.base_weights import base_checksums

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
SHARDS = [f"adapter_model-0000{k}-of-00002.safetensors" for k in (1, 2)]


def as_it_is(folder: Path) -> tuple[Path, set[str]]:
    return folder, {CONFIG, WEIGHTS}


def sharded(folder: Path) -> tuple[Path, set[str]]:
    tensors = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    parts = dict(zip(SHARDS, (sorted(tensors)[::2], sorted(tensors)[1::2]), strict=True))
    for file, names in parts.items():
        save_file({name: tensors[name] for name in names}, folder / file)
    index = {name: file for file, names in parts.items() for name in names}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": index}))
    return folder, {CONFIG, f"{WEIGHTS}.index.json", *SHARDS}


def pickled(folder: Path) -> tuple[Path, set[str]]:
    torch.save(load_file(folder / WEIGHTS), folder / "adapter_model.bin")
    (folder / WEIGHTS).unlink()
    return folder, {CONFIG, "adapter_model.bin"}


def named_itself(folder: Path) -> tuple[Path, set[str]]:
    return (folder / WEIGHTS).rename(folder / "mine.safetensors"), {CONFIG, "mine.safetensors"}


def named_and_pickled(folder: Path) -> tuple[Path, set[str]]:
    torch.save(load_file(folder / WEIGHTS), folder / "mine.pt")
    (folder / WEIGHTS).unlink()
    return folder / "mine.pt", {CONFIG, "mine.pt"}


def of_an_initial_one(folder: Path) -> tuple[Path, set[str]]:
    config = {"init_lora_weights": "pissa"}
    write_lora(folder, BertLike(), config=config)
    write_lora(folder / "pissa_init", BertLike(), config=config, seed=8)
    return folder, {f"{of}/{name}" for of in ("one", "pissa_init") for name in (CONFIG, WEIGHTS)}


KINDS = [as_it_is, sharded, pickled, named_itself, named_and_pickled, of_an_initial_one]


@pytest.mark.parametrize("kind", KINDS)
def test_of_pefts(
    kind: Callable[[Path], tuple[Path, set[str]]], pair: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "one"
    shutil.copytree(pair[0], folder)
    given, expected = kind(folder)
    found = listed(given, pair[0].parent / "base", "value")
    assert found.keys() == expected
    for name, digest in found.items():
        path = folder / name.removeprefix("one/")
        assert digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_of_llama_cpps(tmp_path: Path) -> None:
    cases_of("gguf_lora")["qwen2, F16"](tmp_path)
    file = tmp_path / "adapter" / "lora.gguf"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    for given in (file, file.parent):
        assert listed(given, tmp_path / "base", "gate_proj") == {"lora.gguf": digest}


def test_of_a_base(pair: tuple[Path, Path], tmp_path: Path) -> None:
    """Its configuration, by which fused projections are cut, and the index of its parts, where it has them."""
    base = tmp_path / "base"
    shutil.copytree(pair[0].parent / "base", base)
    expected = {"config.json", "model.safetensors"}
    assert of_base(pair[0], base) == checksums(base, expected)
    found, tensors = "model.safetensors.index.json", load_file(base / "model.safetensors")
    (base / "model.safetensors").unlink()
    parts = {f"model-0000{k + 1}-of-00002.safetensors": sorted(tensors)[k::2] for k in (0, 1)}
    for file, names in parts.items():
        save_file({name: tensors[name] for name in names}, base / file)
    index = {name: file for file, names in parts.items() for name in names}
    (base / found).write_text(json.dumps({"weight_map": index}))
    assert of_base(pair[0], base) == checksums(base, {"config.json", found, *parts})
    assert base_checksums(str(base)) == checksums(base, set(parts))
    within = {file: f"{'lo' if k else 'hi'}/model.safetensors" for k, file in enumerate(parts)}
    for file, name in within.items():
        (base / name).parent.mkdir()
        (base / file).rename(base / name)
    index = {name: within[file] for name, file in index.items()}
    (base / found).write_text(json.dumps({"weight_map": index}))
    assert base_checksums(str(base)) == checksums(base, set(within.values()))


def checksums(folder: Path, names: set[str]) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def of_base(given: Path, base: Path) -> dict[str, str]:
    return listed(given, base, "value", of=str(base))


def listed(given: Path, base: Path, module: str, of: str | None = None) -> dict[str, str]:
    """Name to checksum of the files of an adapter, or of its base, as the page has them."""
    adapter = ll.load_adapter(given, base)
    found = analyse([adapter], Request(modules=(module,), draws=2))
    rows, asked = files_table(found).rows, of or adapter.source
    return {name: digest for source, name, _, digest in rows if source == asked}
