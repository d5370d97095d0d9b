"""How near its floor lora-lens is, and how it grows: python benchmarks/floors.py [--out kernels.json].

Of one thread, and the processor's time, which says more than the clock on a busy machine. Six parts:

- conversion matrices of 4 layers of 4096² in float32, A and B of rank 16, beside one float32 LU of each by
  torch in turn, and the memory above that in use;
- the whole of `lora-lens similarity --draws 0 --json` on 8 such layers, beside the import of torch and the LUs;
- `conversion_similarity` with its defaults on --layers such layers in bfloat16, beside their LUs;
- memory of 4 layers of a 70B model's shapes, 8192² and grouped queries' 1024×8192, with the least that is not
  refused; and of `shared_subspace`, whose time is that of decompositions, on 2048²;
- `shared_subspace` beside `conversion_similarity`, both with their defaults, and beside its own floor (shared_floor.py);
- growth of both in the width, layers, rank and draws, and of `adapter_matrix` in the adapters: the exponent of a power law through three
  sizes each.

`python benchmarks/page.py` makes docs/benchmarks.md of what this and peers.py write.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from processes import Cost, cost, processor
from safetensors.torch import load_file, save_file
from shared_floor import floor

import lora_lens as ll
from lora_lens.core.conversions.conversion import conversion_matrices

PATH = "model.layers.{}.self_attn.v_proj"
BIG, RANK = 4096, 16


def cpu_seconds(action: Callable[[], object]) -> float:
    start = time.process_time()
    action()
    return time.process_time() - start


def write(
    folder: Path, width: int, layers: int, rank: int, dtype: torch.dtype, rows: int | None = None
) -> Path:
    """Gaussian W0, A and B, whose condition numbers are some times the width; square where no rows are given."""
    rows = rows or width
    folder.mkdir(exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    base, adapter = {}, {}
    for layer in range(layers):
        path = PATH.format(layer)
        w0 = torch.randn(rows, width, generator=generator) / width**0.5
        base[f"{path}.weight"] = w0.to(dtype)
        for name, shape in (("A", (rank, width)), ("B", (rows, rank))):
            adapter[f"base_model.model.{path}.lora_{name}.weight"] = torch.randn(
                *shape, generator=generator
            )
    save_file(base, folder / "model.safetensors")
    save_file(adapter, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": rank, "base_model_name_or_path": str(folder)}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def conversions(repeats: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    layers = [torch.randn(BIG, BIG, generator=generator) / BIG**0.5 for _ in range(4)]
    a, b = (torch.randn(*shape, generator=generator) for shape in ((RANK, BIG), (BIG, RANK)))

    def factored() -> None:
        for w0 in layers:
            torch.linalg.lu_factor(w0)

    def converted() -> None:
        for w0 in layers:
            conversion_matrices(w0, a, b)

    converted()
    rounds = [(cpu_seconds(factored), cpu_seconds(converted)) for _ in range(repeats)]
    return {
        "lu": statistics.median(lu for lu, _ in rounds),
        "conversion": statistics.median(ours for _, ours in rounds),
        "ratio": statistics.median(ours / lu for lu, ours in rounds),
        "matrices": alone("memory_of_conversions"),
    }


def command(repeats: int, folder: Path) -> dict[str, Any]:
    """What the command takes beyond `import torch` and an LU of each W0, in LUs, in processes of their own and in turn."""
    layers = 8
    write(folder, BIG, layers, RANK, torch.float32)
    words = ["similarity", str(folder), "--module", "v_proj", "--draws", "0", "--device", "cpu"]
    whole = [sys.executable, "-m", "lora_lens", *words, "--json"]
    started = [sys.executable, "-c", "import torch"]
    weights = str(folder / "model.safetensors")

    def turn() -> tuple[Cost, Cost, float]:
        return cost(started), cost(whole), alone("lu_of", weights)

    turn()  # once to warm up
    turns = [turn() for _ in range(repeats)]
    beyond = [(ours.cpu - torch_s.cpu - lu) / lu for torch_s, ours, lu in turns]
    return {
        "layers": layers,
        "import": statistics.median(torch_s.cpu for torch_s, _, _ in turns),
        "command": statistics.median(ours.cpu for _, ours, _ in turns),
        "lu": statistics.median(lu for _, _, lu in turns),
        "beyond": sorted(beyond),
    }


def lu_of(weights: str) -> float:
    """Seconds of a float32 LU by torch of each matrix in a file."""
    layers = [w0.clone() for w0 in load_file(weights).values()]
    return sum(cpu_seconds(lambda w0=w0: torch.linalg.lu_factor(w0)) for w0 in layers)


def memory_of_conversions() -> float:
    """Peak above what was in use, in matrices of 4096² in float32; in a process of its own."""
    generator = torch.Generator().manual_seed(0)
    layers = [torch.randn(BIG, BIG, generator=generator) / BIG**0.5 for _ in range(4)]
    a, b = (torch.randn(*shape, generator=generator) for shape in ((RANK, BIG), (BIG, RANK)))
    small = torch.eye(1024)
    conversion_matrices(small, small[:2], small[:, :2])  # the libraries' own
    before = resident("VmRSS")
    for w0 in layers:
        conversion_matrices(w0, a, b)
    return (resident("VmHWM") - before) * 2**20 / (4 * BIG**2)


def resident(what: str) -> float:
    """MiB of this process now (VmRSS) or at its peak (VmHWM); getrusage's peak begins with that of whoever started it."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{what}:"))


def alone(what: str, *arguments: str) -> Any:
    command = [sys.executable, __file__, "--only", what, *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def similarity_of(folder: str) -> list[float]:
    """Seconds, and MiB at the peak."""
    adapter = ll.load_adapter(folder)
    spent = cpu_seconds(
        lambda: ll.conversion_similarity(adapter, "value", device="cpu", memory="64GB")
    )
    return [spent, resident("VmHWM")]


def memory_of(question: str, folder: str, memory: str) -> list[float]:
    """Seconds, MiB that were in use before, and at the peak above them."""
    adapter = ll.load_adapter(folder)
    before = resident("VmRSS")
    ask = getattr(ll, question)
    spent = cpu_seconds(lambda: ask(adapter, "value", device="cpu", memory=memory))
    return [spent, before, resident("VmHWM") - before]


def least_of(question: str, folder: str) -> str:
    """What is said when less is asked for."""
    try:
        getattr(ll, question)(ll.load_adapter(folder), "value", device="cpu", memory="64MiB")
    except ll.LensError as error:
        return re.findall(r"at least (\d+MB)", str(error))[0]
    return "64MiB"


def similarity(layers: int, folder: Path) -> dict[str, Any]:
    write(folder, BIG, layers, RANK, torch.bfloat16)
    w0 = torch.randn(BIG, BIG, generator=torch.Generator().manual_seed(0)) / BIG**0.5
    before, after = [], []
    before.append(cpu_seconds(lambda: torch.linalg.lu_factor(w0)))
    spent, memory = alone("similarity_of", str(folder))
    after.append(cpu_seconds(lambda: torch.linalg.lu_factor(w0)))
    lu = layers * statistics.mean(before + after)
    return {"layers": layers, "lu": lu, "similarity": spent, "ratio": spent / lu, "mib": memory}


# Rows, width, layers.
MEMORY = (
    ("conversion_similarity", 2 * BIG, 2 * BIG, 4),
    ("conversion_similarity", BIG // 4, 2 * BIG, 4),
    ("outliers", 2 * BIG, 2 * BIG, 4),
    ("shared_subspace", BIG // 2, BIG // 2, 4),
)


def memory(question: str, rows: int, width: int, layers: int, folder: Path) -> dict[str, Any]:
    """The peak with the least that is not refused; of bfloat16."""
    write(folder, width, layers, RANK, torch.bfloat16, rows)
    least = least_of(question, str(folder))
    spent, before, above = alone("memory_of", question, str(folder), least)
    shape = {"question": question, "rows": rows, "width": width, "layers": layers}
    return {**shape, "least": least, "before": before, "above": above, "seconds": spent}


SHARED = ((768, 12), (256, 8), (256, 16), (256, 32))  # width, layers


def shared(width: int, layers: int, folder: Path) -> dict[str, Any]:
    adapter = ll.load_adapter(write(folder, width, layers, 8, torch.float32))
    ll.conversion_similarity(adapter, "value", draws=0, device="cpu")
    one = cpu_seconds(lambda: ll.conversion_similarity(adapter, "value", device="cpu"))
    other = cpu_seconds(lambda: ll.shared_subspace(adapter, "value", device="cpu"))
    sizes = {"width": width, "layers": layers, "floor": floor(width, layers, 8, 200)}
    return {**sizes, "similarity": one, "shared": other, "ratio": other / one}


# What is varied, its sizes, and what the largest cost is expected to grow with where it is large.
GROWTH: dict[str, tuple[Sequence[int], float]] = {
    "width": ((512, 1024, 2048), 3),
    "layers": ((8, 16, 32), 2),
    "rank": ((8, 16, 32), 1),
    "draws": ((100, 200, 400), 1),
}
REPEATED = {"conversion_similarity": 3, "shared_subspace": 1}
MIDDLE = {"width": 768, "layers": 8, "rank": 8, "draws": 200}


def growth(question: str, name: str, folder: Path) -> dict[str, Any]:
    sizes, expected = GROWTH[name]
    seconds = []
    for size in sizes:
        of = MIDDLE | {name: size}
        adapter = ll.load_adapter(
            write(folder, of["width"], of["layers"], of["rank"], torch.float32)
        )

        def ask(draws: int = of["draws"], adapter: ll.Adapter = adapter) -> None:
            getattr(ll, question)(adapter, "value", draws=draws, device="cpu")

        seconds.append(min(cpu_seconds(ask) for _ in range(REPEATED[question])))
    return {"question": question, "of": name, **fitted(sizes, seconds), "most": expected}


ADAPTERS = (50, 100, 200)


def growth_of_matrix(folder: Path) -> dict[str, Any]:
    """Of so many adapters on 8 layers of 768: they are read once, and φ is taken of every two."""
    folders = []
    for number in range(max(ADAPTERS)):
        folders.append(folder.parent / f"{number}")
        write(folders[-1], MIDDLE["width"], MIDDLE["layers"], MIDDLE["rank"], torch.float32)
        (folders[-1] / "model.safetensors").unlink()
    seconds = [
        cpu_seconds(lambda n=n: ll.adapter_matrix(folders[:n], "value", device="cpu"))
        for n in ADAPTERS
    ]
    return {"question": "adapter_matrix", "of": "adapters", **fitted(ADAPTERS, seconds), "most": 2}


def fitted(sizes: Sequence[int], seconds: Sequence[float]) -> dict[str, Any]:
    """With the slope through their logarithms."""
    x, y = ([math.log(value) for value in values] for values in (sizes, seconds))
    slope = statistics.linear_regression(x, y).slope
    return {"sizes": sizes, "seconds": seconds, "exponent": slope}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=32, help="of 4096², asked for similarity")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="a JSON file")
    parser.add_argument("--only", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.only:
        name, *arguments = options.only
        print(json.dumps(globals()[name](*arguments)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "adapter"
        record = {
            "machine": {
                "processor": processor(),
                "python": platform.python_version(),
                "torch": torch.__version__,
            },
            "conversions": conversions(options.repeats),
            "command": command(options.repeats, folder),
            "similarity": similarity(options.layers, folder),
            "memory": [memory(*of, folder) for of in MEMORY],
            "shared": [shared(*sizes, folder) for sizes in SHARED],
            "growth": [growth(question, of, folder) for question in REPEATED for of in GROWTH]
            + [growth_of_matrix(folder)],
        }
    text = json.dumps(record, indent=1)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
