"""Spectra of ΔW alone: NumPy reads and computes them, torch is not loaded, and the numbers are the same."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import BertLike, random, write_base, write_config, write_lora, write_tensors

import lora_lens as ll
from lora_lens.adapter import Adapter
from lora_lens.files.pickled import BinFile
from lora_lens.subspaces.factors import SPACES


def numbers(adapter: Adapter) -> dict[str, Any]:
    found = ll.spectrum(adapter, beside_w0=False).to_dict()
    return {
        "spectrum": found,
        "inspect": ll.inspect(adapter).to_dict(),
        "kept": ll.suggest_ranks(adapter).to_dict(),
    }


def close(one: Any, other: Any, tolerance: float) -> bool:
    if isinstance(one, dict):
        return all(
            close(one[k], other[k], tolerance) for k in one if k not in ("adapter", "source")
        )
    if isinstance(one, list):
        return len(one) == len(other) and all(map(close, one, other, [tolerance] * len(one)))
    if isinstance(one, float):
        return abs(one - other) <= tolerance * max(1, abs(one))
    return bool(one == other)


@pytest.mark.parametrize(
    "words", ["inspect {0} --json", "inspect {0}", "spectrum {0} --no-w0 --json", "spectrum {0} --no-w0", "spectrum {0} --module value --json"]
)  # fmt: skip
def test_the_commands_load_no_torch(words: str, tmp_path: Path) -> None:
    """Nor where the base that the adapter names is not on this machine."""
    write_lora(tmp_path / "lora", BertLike(), base="nobody/nothing")
    script = (
        "import sys\n"
        "from lora_lens.cli import app\n"
        f"app({words.format(tmp_path / 'lora').split()!r}, standalone_mode=False)\n"
        "heavy = {'torch', 'scipy', 'pandas', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("matrix", ["A", "B", "delta"])
def test_nor_does_the_matrix_of_many_adapters_without_draws(matrix: str, tmp_path: Path) -> None:
    """Clustering is scipy's."""
    for name in ("one", "other"):
        write_lora(tmp_path / name, BertLike(), base="nobody/nothing")
    script = (
        "import sys, lora_lens as ll\n"
        f"ll.adapter_matrix([{str(tmp_path)!r}], matrix={matrix!r}, draws=0).to_markdown()\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_the_numbers_are_torchs(
    dtype: torch.dtype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that NumPy cannot read is torch's; so are factors that are at hand as a whole."""
    monkeypatch.setattr(BinFile, "array", lambda *_: None)
    shape = BertLike()
    write_lora(tmp_path / "numpys", shape, ranks={"1.value": 3}, config={
        "rank_pattern": {"layer.1.attention.self.value": 3}, "lora_alpha": -6,
    })  # fmt: skip
    tensors = {name: tensor.to(dtype) for name, tensor in shape.adapter.items()}
    for name in list(tensors):  # one factor is nearly singular, one layer untrained
        if "layer.0" in name and "query.lora_B" in name:
            tensors[name][:, 3] = tensors[name][:, 2] * (1 + 2e-3)
        if "layer.2" in name and "query.lora_B" in name:
            tensors[name] = tensors[name] * 0
    write_tensors(tmp_path / "numpys", tensors)
    (tmp_path / "torchs").mkdir()
    (tmp_path / "torchs" / "adapter_config.json").write_text(
        (tmp_path / "numpys" / "adapter_config.json").read_text()
    )
    write_tensors(tmp_path / "torchs", tensors, binary=True)
    lazy, pickled = (ll.load_adapter(tmp_path / name) for name in ("numpys", "torchs"))
    assert all(isinstance(x, np.ndarray) for one in lazy.each_layer() for x in one.read())
    assert all(isinstance(x, torch.Tensor) for one in pickled.each_layer() for x in one.read())
    whole = replace(lazy, modules=dict(lazy.modules))
    expected = numbers(lazy)
    assert len(expected["spectrum"]["layers"]) == 6
    for other in (pickled, whole):
        assert close(expected, numbers(other), 1e-12)
        for matrix, side in SPACES.values():
            same = ll.adapter_matrix([lazy, other], "value", 3, matrix=matrix, side=side, draws=0)
            np.testing.assert_allclose(same.values, 1, atol=1e-12)


@pytest.mark.parametrize("layer", [0, 1])
def test_layers_that_numpy_cannot_read_are_torchs_beside_those_that_it_can(
    layer: int, tmp_path: Path
) -> None:
    shape = BertLike()
    for name in ("wide", "short"):
        write_lora(tmp_path / name, shape)
        tensors = dict(shape.adapter)
        for key, tensor in shape.adapter.items():
            if f"layer.{layer}." in key:
                short = tensor.to(torch.float8_e4m3fn)
                tensors[key] = short.float() if name == "wide" else short
        write_tensors(tmp_path / name, tensors)
    for matrix in ("A", "B", "delta"):
        found = ll.adapter_matrix([tmp_path], "value", matrix=matrix, draws=0).values
        np.testing.assert_allclose(found, 1, atol=1e-12)


def test_each_layer_is_the_stacks(tmp_path: Path) -> None:
    """GPT-2's fused projection, of which each block has rows of its own, and mixed ranks."""
    paths = [f"transformer.h.{k}.attn.c_attn" for k in range(3)]
    tensors = {}
    for k, path in enumerate(paths):
        tensors[f"base_model.model.{path}.lora_A.weight"] = random(2 + k, 8, seed=k)
        tensors[f"base_model.model.{path}.lora_B.weight"] = random(24, 2 + k, seed=10 + k)
    write_tensors(tmp_path, tensors)
    ranks = {path: 2 + k for k, path in enumerate(paths)}
    write_config(tmp_path, base=None, r=2, rank_pattern=ranks, fan_in_fan_out=True)
    adapter = ll.load_adapter(tmp_path)
    assert list(adapter.modules) == ["key", "query", "value"]
    lazy, stacked = (
        adapter.each_layer(),
        replace(adapter, modules=dict(adapter.modules)).each_layer(),
    )
    for one, other in zip(lazy, stacked, strict=True):
        assert one == other
        for x, y in zip(one.read(), other.read(), strict=True):
            np.testing.assert_array_equal(x, np.asarray(y))
        one.release()
    whole = ll.suggest_ranks(adapter, 0.7)
    assert [one.name for one in whole.layers] == paths
    for one in whole.layers:
        a, b = (
            tensors[f"base_model.model.{one.name}.lora_{x}.weight"].double().numpy() for x in "AB"
        )
        energy = np.linalg.svd(b @ a, compute_uv=False)[: one.rank] ** 2
        assert one.suggested == np.searchsorted(np.cumsum(energy) / energy.sum(), 0.7) + 1
    assert len(ll.spectrum(adapter, "query", beside_w0=False).suggestion.layers) == 3


def test_with_w0_the_spectra_of_delta_are_the_same(tmp_path: Path) -> None:
    shape = BertLike()
    write_base(tmp_path / "base", shape)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    adapter = ll.load_adapter(tmp_path / "lora")
    alone, beside = (ll.spectrum(adapter, beside_w0=w0) for w0 in (False, True))
    for one, other in zip(alone.layers, beside.layers, strict=True):
        assert replace(other, beside_w0=None) == one
        assert other.beside_w0 is not None
    named = ll.spectrum(adapter, beside_w0=False, device="cpu:0")  # by torch
    assert close(json.loads(json.dumps(alone.to_dict())), named.to_dict(), 1e-12)
