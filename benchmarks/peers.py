"""Spectra of a 7B-shaped adapter beside two other tools, as whole processes: python benchmarks/peers.py --peers DIR.

224 modules of rank 16 in float32, 160 MB: q, k, v and o of 4096, gate, up and down of 11008, 32 layers.
`lora-lens spectrum` is timed in turn with AdapterSentry's scan, `lora-lens inspect` with Gradience's audit, and
`lora-lens similarity` of the bundled adapter with `import torch`; one thread each. Printed are the medians of
wall time, processor time and the largest memory, and the median ratio of the runs that were neighbours.

The others are looked for in DIR, the `bin` of an environment of their own: pip install adaptersentry gradience.
What is not there is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save_file

import lora_lens as ll

SHAPES = {
    "self_attn.q_proj": (4096, 4096),
    "self_attn.k_proj": (4096, 4096),
    "self_attn.v_proj": (4096, 4096),
    "self_attn.o_proj": (4096, 4096),
    "mlp.gate_proj": (11008, 4096),
    "mlp.up_proj": (11008, 4096),
    "mlp.down_proj": (4096, 11008),
}
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


class Cost(NamedTuple):
    """Of one process: seconds of wall and of processor, and MiB."""

    wall: float
    cpu: float
    memory: float


def write(folder: Path, layers: int, rank: int) -> None:
    """A as initialised, B's directions falling off by a factor of 30."""
    generator = torch.Generator().manual_seed(0)
    decay = torch.logspace(0, -1.5, rank)
    tensors = {}
    for layer in range(layers):
        for module, (rows, columns) in SHAPES.items():
            path = f"base_model.model.model.layers.{layer}.{module}"
            a = 2 * torch.rand(rank, columns, generator=generator) - 1
            tensors[f"{path}.lora_A.weight"] = a / columns**0.5
            b = torch.randn(rows, rank, generator=generator) * decay
            tensors[f"{path}.lora_B.weight"] = b * 1e-3
    save_file(tensors, folder / "adapter_model.safetensors", {"format": "pt"})
    config = {
        "peft_type": "LORA", "r": rank, "lora_alpha": 2 * rank, "task_type": "CAUSAL_LM",
        "target_modules": [module.split(".")[1] for module in SHAPES],
        "base_model_name_or_path": "a/base-of-this-shape",
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config))


def cost(command: list[str]) -> Cost:
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | ONE_THREAD
    )
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with exit code {process.returncode}")
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def in_turn(ours: list[str], other: list[str], repeats: int) -> tuple[list[Cost], list[Cost]]:
    cost(ours), cost(other)  # warm up
    pairs = [(cost(ours), cost(other)) for _ in range(repeats)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def medians(costs: list[Cost]) -> Cost:
    return Cost(*map(statistics.median, zip(*costs, strict=True)))


def show(what: str, ours: list[Cost], name: str, others: list[Cost]) -> None:
    ratios = [
        Cost(*(x / y for x, y in zip(*pair, strict=True)))
        for pair in zip(ours, others, strict=True)
    ]
    print(f"{'':34s}{'wall s':>9s}{'cpu s':>9s}{'MiB':>9s}")
    for label, row in ((what, medians(ours)), (name, medians(others)), ("ratio", medians(ratios))):
        print(
            f"{label:34s}{row.wall:9.2f}{row.cpu:9.2f}{row.memory:9.{2 if label == 'ratio' else 0}f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path, default=Path(sys.executable).parent)
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    lens = [sys.executable, "-m", "lora_lens"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, options.layers, options.rank)
        file = str(folder / "adapter_model.safetensors")
        turns = [
            (
                ["spectrum", name, "--no-w0", "--json"],
                "adaptersentry",
                ["scan", file, "--format", "full-json"],
            ),
            (
                ["inspect", name, "--json"],
                "gradience",
                ["audit", "--peft-dir", name, "--json", "--layers"],
            ),
        ]
        for ours, peer, theirs in turns:
            tool = options.peers / peer
            if not tool.is_file():
                print(f"{peer} is not in {options.peers}: left out")
                continue
            costs = in_turn([*lens, *ours], [str(tool), *theirs], options.repeats)
            show(f"lora-lens {ours[0]}", costs[0], f"{peer} {theirs[0]}", costs[1])
    ours = ["similarity", str(ll.demo_adapter("lora")), "--json", "--nulls", "gaussian,propagated"]
    costs = in_turn([*lens, *ours], [sys.executable, "-c", "import torch"], options.repeats)
    show("lora-lens similarity, bundled", costs[0], "import torch", costs[1])


if __name__ == "__main__":
    main()
