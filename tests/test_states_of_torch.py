"""Numbers are the seed's alone, whatever torch's default dtype, default device and autocast."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from checkpoints import BertLike
from every_question import write_adapters

import lora_lens

# Each in a process of its own, as means are kept within one: a fork of one that has loaded others' libraries, which takes longest,
# and nothing of this one's, whose constants are made in the state.
ASKED = """
import contextlib, json, os, sys
from pathlib import Path
import numpy as np, safetensors.torch, scipy.linalg, scipy.special, torch
import lora_lens as ll
from first_layers import first_layers

def far(dtype):
    torch.set_default_dtype(dtype)
    return contextlib.nullcontext()

STATES = {
    "plain": contextlib.nullcontext,
    "float64": lambda: far(torch.float64),
    "bfloat16": lambda: far(torch.bfloat16),
    "meta": lambda: torch.device("meta"),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
}
def asked_in(state):
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(30, 6, generator=generator, dtype=torch.float32) for _ in range(2))
    w0 = torch.randn(30, 30, generator=generator, dtype=torch.float32)
    every = ("gaussian", "propagated", "mismatched", "initialisation", "equivalent")
    run = {"draws": 6, "device": "cpu"}
    with STATES[state]():
        from every_question import NAMES, answered, given, takes

        before = torch.empty(0).device, torch.is_autocast_enabled("cpu"), torch.get_default_dtype()
        a, b = (
            first_layers(ll.load_adapter(ll.demo_adapter(name)), 3) for name in ("lora", "condlora")
        )
        made = {"one": a, "other": b}
        said = {
            name: answered(
                name,
                [made.get(each.name, each) for each in given(name, Path(sys.argv[1]))],
                **{option: value for option, value in run.items() if takes(name, option)},
            ).to_dict()
            for name in NAMES
        } | {
            "every null": ll.conversion_similarity(a, nulls=every, **run).to_dict(),
            "ranks": ll.suggest_ranks(a).to_dict(),
            "baseline": ll.gaussian_baseline(30, 4),
            "samples": ll.gaussian_samples(30, 4, draws=5, generator=generator).tolist(),
            "phi": ll.phi(x, y, 3).item(),
            "phi of arrays": ll.phi(x.numpy(), y.numpy(), 3).item(),
            "phi_matrix": ll.phi_matrix([x, y], i=3).tolist(),
            "phi_grid": ll.phi_grid(x, y).tolist(),
            "angles": ll.principal_angles(x, y, 3).tolist(),
            "conversion": [each.tolist() for each in ll.conversion_matrices(w0, x.mT, y)],
            "product": [each.tolist() for each in ll.product_svd(x, y.mT)],
            "factors": a.modules["query"].a.tolist(),
        }
        assert before == (
            torch.empty(0).device, torch.is_autocast_enabled("cpu"), torch.get_default_dtype()
        )
    return json.dumps(said)

for state in STATES:
    if (fork := os.fork()) == 0:
        print(state, asked_in(state))
        break
    os.waitpid(fork, 0)
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The answers in every state; a state that has none has its traceback on stderr."""
    root = write_adapters(tmp_path_factory.mktemp("asked"), BertLike())
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", ASKED, str(root)], text=True, check=True, stdout=subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path},
    )  # fmt: skip
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


@pytest.mark.parametrize("state", ["float64", "bfloat16", "meta", "autocast"])
def test_every_number_is_the_same(state: str, said: dict[str, str]) -> None:
    assert said[state] == said["plain"]


def test_every_tensor_that_is_made_of_nothing_has_a_dtype_of_its_own() -> None:
    makers = {
        "empty",
        "eye",
        "full",
        "linspace",
        "logspace",
        "normal",
        "ones",
        "rand",
        "randn",
        "scalar_tensor",
        "tensor",
        "zeros",
    }
    bare = [
        f"{file.name}:{node.lineno}: {ast.unparse(node)}"
        for file in Path(lora_lens.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {f"torch.{maker}" for maker in makers}
        and "dtype" not in {keyword.arg for keyword in node.keywords}
    ]
    assert not bare
