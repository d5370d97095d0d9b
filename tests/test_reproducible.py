"""docs/reproducible.md holds: the same bytes from processes that are alike, the stated digits from others."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from slow_routes import conditioned

PAGE = Path(__file__).parent.parent / "docs" / "reproducible.md"
EXACT, DRAWN, STANDARDISED = 1e-9, 1e-5, 1e-3
SCRIPT = """
import json
import lora_lens as ll

a, b = (ll.load_adapter(ll.demo_adapter(name)) for name in ("lora", "condlora"))
nulls = ("gaussian", "propagated", "mismatched")
print(json.dumps({
    "similarity": ll.conversion_similarity(a, "value", draws=20, nulls=nulls).to_dict(),
    "shared": ll.shared_subspace(a, "value", draws=19).to_dict(),
    "compare": ll.compare(a, b, "value", draws=20).to_dict(),
    "spectrum": ll.spectrum(a, "value", draws=0).to_dict(),
    "inspect": ll.inspect(a).to_dict(),
}))
"""


ILL_CONDITIONED = """
import json, sys
import lora_lens as ll

found = ll.conversion_similarity(ll.load_adapter(sys.argv[1]), "value", draws=20, device="cpu")
print(json.dumps(found.to_dict()))
"""


def run(threads: int, script: str = SCRIPT, *arguments: str) -> str:
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True,
        env=os.environ | dict.fromkeys(names, str(threads)),
    )  # fmt: skip
    return done.stdout


@pytest.fixture(scope="module")
def alone() -> str:
    return run(1)


def test_the_same_bytes_from_processes_that_are_alike(alone: str) -> None:
    assert run(1) == alone


def pairs(
    one: Any, other: Any, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Every number of both, with where it stands."""
    if isinstance(one, dict):
        assert set(one) == set(other)
        for key in one:
            yield from pairs(one[key], other[key], (*path, key))
    elif isinstance(one, list):
        assert len(one) == len(other)
        for first, second in zip(one, other, strict=True):
            yield from pairs(first, second, path)
    else:
        yield path, one, other


def allowed(path: tuple[str, ...], value: float, draws: int) -> float:
    *above, name = path
    if "predicted" in above and "nulls" in above and name != "p":
        return STANDARDISED * max(1.0, abs(value))  # refits in float32
    if "predicted" in above and name in ("detectable", "p"):
        return 2 / (draws + 1)
    if "findings" in above:  # their chance is a drawn null's
        return 2 / (draws + 1) if name == "p" else STANDARDISED
    if "propagated" not in above:
        return EXACT * max(1.0, abs(value))
    if name == "z":
        return STANDARDISED * max(1.0, abs(value))
    if name.startswith("p"):
        return 2 / (draws + 1)  # φ lies within 1e-5 of hardly more than one draw
    return DRAWN


def test_the_stated_digits_from_two_threads(alone: str) -> None:
    text = PAGE.read_text()
    assert all(
        f"{digits:.0e}".replace("e-0", "e-") in text for digits in (EXACT, DRAWN, STANDARDISED)
    )
    for path, one, other in pairs(json.loads(alone), json.loads(run(2))):
        if isinstance(one, float) and isinstance(other, float):
            assert abs(one - other) <= allowed(path, one, 19), path
        elif path[-1] not in ("discoveries", "summary"):
            assert one == other, path


def test_what_an_ill_conditioned_w0_leaves_of_them(tmp_path: Path) -> None:
    n, base, adapter = 1024, {}, {}
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    for layer in range(3):
        path = f"encoder.layer.{layer}.attention.self.value"
        base[f"{path}.weight"] = torch.from_numpy(conditioned(n, n, 9e4, rng)).float()
        for name, shape in (("A", (8, n)), ("B", (n, 8))):
            factor = torch.randn(*shape, generator=generator)
            adapter[f"base_model.model.{path}.lora_{name}.weight"] = factor
    save_file(base, tmp_path / "model.safetensors")
    save_file(adapter, tmp_path / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": 8, "base_model_name_or_path": str(tmp_path)}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    one, other = (json.loads(run(threads, ILL_CONDITIONED, str(tmp_path))) for threads in (1, 2))
    for path, x, y in pairs(one, other):
        if isinstance(x, float) and path[-1] == "condition_number":
            assert abs(x - y) <= 5e-2 * x
        elif isinstance(x, float) and "propagated" in path and path[-1] == "z":
            assert abs(x - y) <= 2e-2 * max(1.0, abs(x))
        elif isinstance(x, float) and "propagated" in path and not path[-1].startswith("p"):
            assert abs(x - y) <= 1e-4, path
        elif isinstance(x, float) and "propagated" not in path:
            assert abs(x - y) <= EXACT * max(1.0, abs(x)), path
