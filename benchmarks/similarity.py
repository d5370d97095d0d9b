"""How much faster than the released algorithm is lora-lens: python benchmarks/similarity.py.

The released algorithm, written plainly: an inverse a layer in float32, and for every pair of layers
two full SVDs; A, B and BA of query and value. Everything runs interleaved in one process on the same
random weights, and the medians are compared: the released algorithm, lora-lens without draws, with
200 of the propagated null, and with 200 of every null. Without --exhaustive the plain algorithm is timed on a
sample of its pairs, which are all alike, and scaled up; with it every pair is computed, and the
grids are compared too. Floors are what no exact way does without, at the speed of torch's own products, LU and QR. The command itself, `lora-lens similarity`, is timed without draws and with 200 of the
propagated null: it also starts Python, draws the Gaussian null and computes W0's condition numbers.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file

from lora_lens import conversion_similarity, load_adapter, open_base
from lora_lens.chance.null_names import WITHOUT_SVD, NullName
from lora_lens.several import counted

MODULES = ("query", "value")


def write(folder: Path, layers: int, width: int, rank: int) -> None:
    """A random base of condition 1e4 and a random adapter on it."""
    generator = torch.Generator().manual_seed(0)
    base, adapter = {}, {}
    spectrum = torch.logspace(0, -4, width)
    for layer in range(layers):
        for module in MODULES:
            path = f"encoder.layer.{layer}.attention.self.{module}"
            u, v = (
                torch.linalg.qr(torch.randn(width, width, generator=generator)).Q for _ in range(2)
            )
            base[f"{path}.weight"] = (u * spectrum) @ v
            adapter[f"base_model.model.{path}.lora_A.weight"] = torch.randn(
                rank, width, generator=generator
            )
            adapter[f"base_model.model.{path}.lora_B.weight"] = torch.randn(
                width, rank, generator=generator
            )
    save_file(base, folder / "model.safetensors")
    save_file(adapter, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(
        f'{{"peft_type": "LORA", "r": {rank}, "base_model_name_or_path": "{folder}"}}'
    )


def plain_conversions(folder: Path, module: str) -> dict[str, list[torch.Tensor]]:
    adapter, base = load_adapter(folder), open_base(str(folder))
    factors = adapter.modules[module]
    layers = [base.w0(factors, position) for position in range(len(factors.layers))]
    found: dict[str, list[torch.Tensor]] = {"A": [], "B": [], "BA": []}
    for w0, a, b in zip(layers, factors.a, factors.b, strict=True):
        inverse = torch.linalg.inv(w0)
        found["A"].append(inverse @ a.T)
        found["B"].append(inverse @ b)
        found["BA"].append(inverse @ b @ a)
    return found


def plain_phi(x: torch.Tensor, y: torch.Tensor, k: int) -> float:
    u, v = (torch.linalg.svd(m, full_matrices=True).U[:, :k] for m in (x, y))
    return float((u.T @ v).square().sum() / k)


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def plain_seconds(folder: Path, rank: int, pairs: list[tuple[int, int]], scale: float) -> float:
    total = 0.0
    for module in MODULES:
        start = time.perf_counter()
        conversions = plain_conversions(folder, module)
        total += time.perf_counter() - start
        for matrices in conversions.values():
            total += scale * seconds(
                lambda m=matrices: [plain_phi(m[x], m[y], rank) for x, y in pairs]
            )
    return total


def floor(layers: int, width: int, rank: int, draws: int) -> float:
    """Seconds of what no exact way does without, at torch's speed.

    A float32 LU of each W0; of draws their random numbers, a QR's triangle, half of a solve with it, and φ between all layers.
    """
    generator = torch.Generator().manual_seed(0)
    w0, rows = (torch.randn(n, width, generator=generator) for n in (width, draws * rank))
    bases = torch.randn(draws, layers * rank, width, generator=generator)

    def of_one() -> float:
        own = seconds(lambda: torch.linalg.lu_factor(w0))
        if not draws:
            return own
        drawn = seconds(lambda: torch.randn(len(rows), width, generator=generator))
        return own + drawn + seconds(lambda: torch.geqrf(w0)) + seconds(lambda: rows @ w0) / 2

    of_all = sum(of_one() for _ in range(layers))
    return len(MODULES) * (of_all + seconds(lambda: bases @ bases.mT))


def command(folder: Path, rank: int, draws: int) -> None:
    options = [
        "--rank",
        rank,
        "--draws",
        draws,
        "--nulls",
        "gaussian,propagated",
        "--device",
        "cpu",
    ]
    line = [sys.executable, "-m", "lora_lens", "similarity", folder, *options, "--json"]
    subprocess.run([str(word) for word in line], check=True, capture_output=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--exhaustive", action="store_true", help="time every pair of the plain algorithm"
    )
    options = parser.parse_args()
    every = [(x, y) for x in range(options.layers) for y in range(options.layers)]
    pairs = every if options.exhaustive else every[:: max(1, len(every) // 6)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, options.layers, options.width, options.rank)
        names = (
            "plain",
            "none",
            "propagated",
            "every",
            "command",
            "command_propagated",
            "floor",
            "floor_propagated",
        )
        times: dict[str, list[float]] = {name: [] for name in names}

        def ours(draws: int, nulls: Sequence[NullName] = ("gaussian", "propagated")) -> None:
            adapter = load_adapter(folder)
            for module in MODULES:
                conversion_similarity(
                    adapter, module, options.rank, draws=draws, nulls=nulls, device="cpu"
                )

        ours(2)  # warm up
        for _ in range(options.repeats):
            times["none"].append(seconds(lambda: ours(0)))
            times["propagated"].append(seconds(lambda: ours(200)))
            times["every"].append(seconds(lambda: ours(200, WITHOUT_SVD)))
            for part, draws in (("floor", 0), ("floor_propagated", 200)):
                times[part].append(floor(options.layers, options.width, options.rank, draws))
            times["command"].append(seconds(lambda: command(folder, options.rank, 0)))
            times["command_propagated"].append(seconds(lambda: command(folder, options.rank, 200)))
            times["plain"].append(
                plain_seconds(folder, options.rank, pairs, len(every) / len(pairs))
            )
        if options.exhaustive:
            check(folder, options.rank, every)
    report(options, times, len(pairs), len(every))


def check(folder: Path, rank: int, every: list[tuple[int, int]]) -> None:
    for module in MODULES:
        result = conversion_similarity(load_adapter(folder), module, rank, draws=0)
        for matrix, conversions in plain_conversions(folder, module).items():
            worst = max(
                abs(plain_phi(conversions[x], conversions[y], rank) - result[matrix].values[x, y])
                for x, y in every
            )
            print(f"{module} {matrix}: largest difference from the float32 algorithm {worst:.1e}")


def report(
    options: argparse.Namespace, times: dict[str, list[float]], timed: int, pairs: int
) -> None:
    median = {name: statistics.median(values) for name, values in times.items()}
    shape = f"{options.layers} layers of {options.width}x{options.width}, r = {options.rank}"
    print(f"{shape}, query and value, A, B and BA; {counted(torch.get_num_threads(), 'thread')}")
    print(
        f"released algorithm, plainly   {median['plain']:9.2f} s  ({timed} of {pairs} pairs timed)"
    )
    print(f"lora-lens, no draws           {median['none']:9.2f} s")
    print(f"lora-lens, 200 of propagated  {median['propagated']:9.2f} s")
    print(f"lora-lens, 200 of every null  {median['every']:9.2f} s")
    print(f"released / no draws           {median['plain'] / median['none']:9.0f}")
    print(f"released / propagated         {median['plain'] / median['propagated']:9.0f}")
    print(f"no draws / its floor          {median['none'] / median['floor']:9.2f}")
    print(f"propagated / its floor        {median['propagated'] / median['floor_propagated']:9.2f}")
    print(f"propagated / no draws         {median['propagated'] / median['none']:9.2f}")
    print(
        f"the same of the command       {median['command_propagated'] / median['command']:9.2f}  "
        f"({median['command_propagated']:.2f} s and {median['command']:.2f} s, value alone)"
    )


if __name__ == "__main__":
    main()
