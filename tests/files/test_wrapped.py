"""Weights that a trainer has put into dictionaries, beside what else it keeps."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import BertLike, random, write_config, write_lora
from torch import Tensor

from lora_lens import inspect, load_adapter
from lora_lens.errors import FileFormatError, LensError
from lora_lens.files.pickled import load_bin

Weights = Mapping[str, Tensor]
STATE = {"state": {0: {"exp_avg": random(3, seed=1)}}, "param_groups": [{"lr": 0.1}]}


def named(weights: Weights, prefix: str = "") -> dict[str, Tensor]:
    """As a model's own ``state_dict`` calls them."""
    return {
        prefix
        + name.replace("_A.weight", "_A.default.weight").replace(
            "_B.weight", "_B.default.weight"
        ): one
        for name, one in weights.items()
    }


KINDS: Mapping[str, Callable[[Weights], Any]] = {
    "DeepSpeed": lambda w: {"module": named(w), "ds_version": "0.17", "mp_world_size": 1, "optimizer": None},
    "Lightning": lambda w: {"state_dict": named(w, "model."), "epoch": 1, "optimizer_states": [STATE], "hyper_parameters": {}},
    "Lightning of DeepSpeed": lambda w: {"module": named(w, "_forward_module.model."), "epoch": 1},
    "DistributedDataParallel": lambda w: {"state_dict": named(w, "module."), "epoch": 1},
    "a key of its own": lambda w: {"lora": w, "lora_config": {"r": 4}},
    "beside an optimiser": lambda w: {"weights": w, "optimizer": STATE},
    "beside averages": lambda w: {"model": w, "ema": {name: 2 * one for name, one in w.items()}},
    "beside a step": lambda w: {"model": w, "step": torch.tensor(3), "rng": random(3, seed=1)},
    "two levels deep": lambda w: {"model": {"state_dict": w}},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_found(kind: str, tmp_path: Path) -> None:
    write_lora(tmp_path / "plain", shape := BertLike())
    torch.save(KINDS[kind](shape.adapter), tmp_path / "adapter_model.bin")
    write_config(tmp_path, base=None, r=shape.rank)
    found, plain = load_adapter(tmp_path), load_adapter(tmp_path / "plain")
    assert list(found.modules) == list(plain.modules)
    for name, module in plain.modules.items():
        assert found.modules[name].names == module.names
        assert torch.equal(found.modules[name].b @ found.modules[name].a, module.b @ module.a)


def test_what_lies_beside_the_weights_is_counted(tmp_path: Path) -> None:
    """`inspect` accounts for every tensor of the file; an optimiser's state has no names."""
    write_lora(tmp_path / "plain", shape := BertLike())
    weights = shape.adapter
    others = {"ema": {name: 2 * one for name, one in weights.items()}, "optimizer": STATE}
    torch.save({"model": weights, **others}, tmp_path / "adapter_model.bin")
    write_config(tmp_path, base=None, r=shape.rank)
    found = inspect(load_adapter(tmp_path))
    assert found.tensors == 2 * len(weights)
    assert set(found.left_out) == {f"ema.{name}" for name in weights}
    assert set(found.left_out.values()) == {"beside the weights, in a dictionary of its own"}
    assert load_bin(tmp_path / "adapter_model.bin").beside == tuple(found.left_out)


@pytest.mark.parametrize(("said", "message"), [
    ({"model": {"a.b": torch.ones(2)}, "state_dict": {"a.b": torch.zeros(2)}}, r"2 dictionaries \(model, state_dict\)"),
    ({"one": {"a": torch.ones(2)}, "other": {"a": torch.ones(2)}}, "nothing tells which"),
    ({"module": {"a": torch.ones(2)}, "mp_world_size": 2}, "one of 2 parts.*save the weights whole"),
])  # fmt: skip
def test_what_could_be_another_is_refused(tmp_path: Path, said: Any, message: str) -> None:
    torch.save(said, tmp_path / "x.pt")
    with pytest.raises(FileFormatError, match=message):
        load_bin(tmp_path / "x.pt")


def test_an_optimisers_state_is_no_weights(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "adapter_model.bin")
    write_config(tmp_path, base=None, r=2)
    with pytest.raises(
        LensError, match="no tensors by name: it is empty, or has states of training alone"
    ):
        load_adapter(tmp_path)


def test_names_of_weights_stay_where_another_dictionary_is_beside_them(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.ones(2), "model": {"b": torch.ones(2)}}, tmp_path / "x.pt")
    found = load_bin(tmp_path / "x.pt")
    assert found.names == ["a.weight"]
    assert found.beside == ("model.b",)


def test_a_dictionary_that_is_in_itself_is_looked_at_once(tmp_path: Path) -> None:
    """Looked at anew at each key, it would be a billion times."""
    itself: dict[str, Any] = {}
    itself |= dict.fromkeys(map(str, range(1000)), itself)
    torch.save({"model": {"a.b": torch.ones(2)}, "args": itself}, tmp_path / "x.pt")
    assert load_bin(tmp_path / "x.pt").names == ["a.b"]


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")  # from torch 2.15 on
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_programs_say_what_they_are(tmp_path: Path) -> None:
    layer = torch.nn.Linear(3, 2)
    torch.jit.trace(layer, torch.ones(1, 3)).save(str(tmp_path / "x.pt"))
    with pytest.raises(FileFormatError, match="TorchScript.*state_dict"):
        load_bin(tmp_path / "x.pt")
    torch.export.save(torch.export.export(layer, (torch.ones(1, 3),)), tmp_path / "x.pt2")
    (tmp_path / "x.pt2").rename(tmp_path / "y.pt")
    with pytest.raises(FileFormatError, match=r"torch\.export.*state_dict"):
        load_bin(tmp_path / "y.pt")


@pytest.mark.parametrize("stem", ["code", "models", "archive_format"])
def test_a_file_may_be_called_as_a_programs_folder(tmp_path: Path, stem: str) -> None:
    """Within its archive everything is in a folder of that name."""
    torch.save({"x": torch.arange(3)}, tmp_path / f"{stem}.pt")
    assert load_bin(tmp_path / f"{stem}.pt").get("x").tolist() == [0, 1, 2]
