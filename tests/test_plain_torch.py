"""The modes of a thread are set aside while the library computes, and are back after it."""

import inspect
import subprocess
import sys

import pytest
import torch

import lora_lens as ll
from lora_lens.plain_torch import in_plain_torch

COMPUTES_NOTHING = {"demo_adapter", "gaussian_baseline", "renaming"}  # the mean is by hand


@in_plain_torch
def fails() -> None:
    raise KeyError(f"{torch.empty(0).device}, {torch.is_autocast_enabled('cpu')}")


def test_both_modes_are_aside_and_then_back_also_after_an_error() -> None:
    with torch.device("meta"), torch.autocast("cpu", torch.bfloat16):
        with pytest.raises(KeyError, match="cpu, False"):
            fails()
        assert torch.empty(0).is_meta
        assert torch.is_autocast_enabled("cpu")
        assert torch.get_autocast_dtype("cpu") == torch.bfloat16


def test_every_public_function_is_computed_so() -> None:
    code = in_plain_torch(len).__code__
    functions = {name: getattr(ll, name) for name in ll.__all__}
    functions = {name: one for name, one in functions.items() if inspect.isfunction(one)}
    assert {n for n, one in functions.items() if one.__code__ is not code} == COMPUTES_NOTHING


def test_gradients_and_devices_stay() -> None:
    x = torch.eye(4)[:, :2].clone().requires_grad_()
    y = torch.ones(4, 2) + torch.eye(4)[:, :2]
    with torch.autocast("cpu", torch.bfloat16):
        ll.phi(x, y, 2).backward()
    assert x.grad is not None
    with torch.device("meta"), pytest.raises(ll.LensError, match="device meta"):
        ll.phi(torch.ones(4, 2), torch.ones(4, 2), 1)


def test_a_tie_is_warned_of_where_the_caller_is() -> None:
    """In a process of its own, where shapes are not checked on the way."""
    code = "import torch, lora_lens as ll; x = torch.eye(4)[:, :2]; ll.phi(x, x, 1)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "<string>:1: TiedWarning" in done.stderr
