"""lora-lens beside the tools that a user would take instead: python benchmarks/peers.py --install DIR, then --peers DIR.

--install makes an environment of its own in DIR with AdapterSentry, Gradience, vLoRA (`vlora-dev`) and
WeightWatcher, and torch as they need it. Then whole commands are timed in turn, of one thread each, on
the same adapters:

- the bundled adapter (MiniLM, 12 modules, r = 8);
- one of a 7B model's shape (224 modules, r = 16: q, k, v and o of 4096, gate, up and down of 11008), in float32 and
  in bfloat16;
- a hundred of MiniLM's shape.

Where two tools give the same number it is compared. What cannot be timed is said. --out keeps the record, of
which `python benchmarks/page.py` makes docs/benchmarks.md.

WeightWatcher has no command: its `analyze(peft=True)` is called on a model that holds the adapter's A and B. It
forms every product and its whole spectrum, of 4096² and more in a 7B model, so it is asked of the bundled adapter alone.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from processes import Cost, in_turn, median, processor, ratio

import lora_lens as ll

PACKAGES = {
    "AdapterSentry": "adaptersentry",
    "Gradience": "gradience",
    "vLoRA": "vlora-dev",
    "WeightWatcher": "weightwatcher",
}
LARGE = {
    "self_attn.q_proj": (4096, 4096),
    "self_attn.k_proj": (4096, 4096),
    "self_attn.v_proj": (4096, 4096),
    "self_attn.o_proj": (4096, 4096),
    "mlp.gate_proj": (11008, 4096),
    "mlp.up_proj": (11008, 4096),
    "mlp.down_proj": (4096, 11008),
}
SMALL = {"attention.self.query": (384, 384), "attention.self.value": (384, 384)}
WATCH = """
import sys, warnings
import torch, weightwatcher
from safetensors.torch import load_file
tensors = load_file(sys.argv[1])
model = torch.nn.Module()
for place, name in enumerate(sorted(key for key in tensors if "lora_A" in key)):
    a, b = tensors[name], tensors[name.replace("lora_A", "lora_B")]
    holder = torch.nn.Module()
    for letter, matrix in (("lora_A", a), ("lora_B", b)):
        layer = torch.nn.Linear(*matrix.shape[::-1], bias=False)
        layer.weight.data = matrix.float()
        setattr(holder, letter, torch.nn.ModuleDict({"default": layer}))
    setattr(model, f"layer{place:04d}", holder)
details = weightwatcher.WeightWatcher(model=model).analyze(peft=True, plot=False)
print(details[["longname", "spectral_norm"]].to_json(orient="values"))
"""


def write(folder: Path, form: str, seed: int = 0) -> Path:
    """A as initialised, B's directions falling off by a factor of 30. In a process that has torch."""
    import torch
    from safetensors.torch import save_file

    large, dtype = form != "small", torch.bfloat16 if form == "bf16" else torch.float32
    shapes, layers, rank = (LARGE, 32, 16) if large else (SMALL, 6, 8)
    stem = "model.layers" if large else "encoder.layer"
    generator = torch.Generator().manual_seed(seed)
    decay = torch.logspace(0, -1.5, rank)
    tensors = {}
    for layer in range(layers):
        for module, (rows, columns) in shapes.items():
            path = f"base_model.model.{stem}.{layer}.{module}"
            a = (2 * torch.rand(rank, columns, generator=generator) - 1) / columns**0.5
            b = torch.randn(rows, rank, generator=generator) * decay * 1e-3
            tensors[f"{path}.lora_A.weight"] = a.to(dtype)
            tensors[f"{path}.lora_B.weight"] = b.to(dtype)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "adapter_model.safetensors", {"format": "pt"})
    config = {
        "peft_type": "LORA", "r": rank, "lora_alpha": 2 * rank, "task_type": "CAUSAL_LM",
        "target_modules": sorted(module.split(".")[1] if large else module for module in shapes),
        "base_model_name_or_path": "a/base-of-this-shape",
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


class Bench:
    """Commands of lora-lens beside another tool's, and what they cost."""

    def __init__(self, peers: Path, repeats: int) -> None:
        self.peers, self.repeats = peers, repeats
        self.rows: list[dict[str, Any]] = []

    def beside(
        self, on: str, ours: Sequence[str | Path], name: str, theirs: Sequence[str | Path]
    ) -> None:
        """Time both in turn; of a tool that is not there or fails, why."""
        tool = self.peers / str(theirs[0])
        line = [sys.executable, "-m", "lora_lens", *map(str, ours)]
        row: dict[str, Any] = {"on": on, "ours": f"lora-lens {ours[0]}", "theirs": name}
        try:
            if not tool.is_file():
                raise RuntimeError(f"{tool.name} is not in {self.peers.name}")
            mine, other = in_turn([line, [str(tool), *map(str, theirs[1:])]], self.repeats)
        except RuntimeError as error:
            row["left out"] = str(error)[-300:]
        else:
            row |= {
                "ours cost": median(mine)._asdict(),
                "theirs cost": median(other)._asdict(),
                "ratio": ratio(mine, other)._asdict(),
            }
        self.rows.append(row)
        print(_line(row), flush=True)

    def said(self, *command: str | Path) -> str:
        """What a tool prints."""
        line = [str(self.peers / str(command[0])), *map(str, command[1:])]
        return subprocess.run(line, check=True, capture_output=True, text=True).stdout


def _line(row: dict[str, Any]) -> str:
    if "left out" in row:
        return f"{row['on']}: {row['theirs']} left out: {row['left out']}"
    ours, theirs, times = (Cost(**row[k]) for k in ("ours cost", "theirs cost", "ratio"))
    return (
        f"{row['on']}: {row['ours']} {ours.cpu:.2f} s, {ours.memory:.0f} MiB; {row['theirs']} "
        f"{theirs.cpu:.2f} s, {theirs.memory:.0f} MiB; ratio {times.cpu:.2f}, {times.memory:.2f}"
    )


def agreements(bench: Bench, folder: Path) -> list[dict[str, Any]]:
    """The largest relative differences of numbers that two tools give of the bundled adapter."""
    file = folder / "adapter_model.safetensors"
    frame = ll.spectrum(folder, beside_w0=False).to_frame()
    ours = frame.set_index(["layer", "module"])
    found = []

    def compared(name: str, what: str, difference: Callable[[], float]) -> None:
        try:
            found.append({"with": name, "what": what, "difference": difference()})
        except (OSError, subprocess.CalledProcessError, KeyError, ValueError) as error:
            found.append({"with": name, "what": what, "left out": str(error)[-200:]})

    def sentry() -> float:
        modules = json.loads(bench.said("adaptersentry", "scan", file, "--format", "full-json"))
        return max(
            abs(
                math.exp(m["features"]["log_sigma1"])
                / ours.loc[(m["layer"], m["module"]), "spectral_norm"]
                - 1
            )
            for m in modules["modules"]
        )

    def gradience() -> float:
        audit = json.loads(bench.said("gradience", "audit", "--peft-dir", folder, "--json"))
        return abs(audit["stable_rank_mean"] / ours["stable_rank"].mean() - 1)

    def watcher() -> float:
        rows = json.loads(bench.said("python", "-c", WATCH, file).splitlines()[-1])
        theirs = sorted(value for _, value in rows)
        mine = sorted(frame["spectral_norm"] ** 2)  # its scaling is 1
        return max(abs(x / y - 1) for x, y in zip(theirs, mine, strict=True))

    compared("AdapterSentry", "the spectral norm of ΔW, by module", sentry)
    compared("Gradience", "the mean stable rank of ΔW", gradience)
    compared("WeightWatcher", "the square of the spectral norm of BA, by module", watcher)
    return found


def install(folder: Path) -> None:
    """An environment with the others."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    command = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", *PACKAGES.values()]
    subprocess.run(command, check=True)


def versions(peers: Path) -> dict[str, str]:
    """Of all that took part."""
    ask = (
        "import importlib.metadata as m, json, sys\n"
        "found = {}\n"
        "for name in sys.argv[1:]:\n"
        "    try: found[name] = m.version(name)\n"
        "    except m.PackageNotFoundError: pass\n"
        "print(json.dumps(found))"
    )
    command = [str(peers / "python"), "-c", ask, *PACKAGES.values(), "torch"]
    theirs = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return {"lora-lens": ll.__version__, "torch": importlib.metadata.version("torch")} | {
        name: theirs[package] for name, package in PACKAGES.items() if package in theirs
    }


def run(bench: Bench, root: Path) -> None:
    """All of it."""
    bundled = ll.demo_adapter("lora")
    places: list[tuple[str, Path]] = [("the bundled adapter", bundled)]
    for form, name in (("fp32", "7B's shape, float32"), ("bf16", "7B's shape, bfloat16")):
        command = [sys.executable, __file__, "--write", str(root / form), "--form", form]
        # In a process of its own: what this one has held would count as its children's memory.
        subprocess.run(command, check=True)
        places.append((name, root / form))
    for name, folder in places:
        file = folder / "adapter_model.safetensors"
        scan = ["adaptersentry", "scan", file, "--format", "full-json"]
        bench.beside(name, ["spectrum", folder, "--no-w0", "--json"], "AdapterSentry scan", scan)
        audit = ["gradience", "audit", "--peft-dir", folder, "--json", "--layers"]
        bench.beside(name, ["inspect", folder, "--json"], "Gradience audit", audit)
    file = bundled / "adapter_model.safetensors"
    bench.beside(
        "the bundled adapter",
        ["spectrum", bundled, "--no-w0", "--json"],
        "WeightWatcher analyze",
        ["python", "-c", WATCH, file],
    )
    many = root / "many"
    command = [sys.executable, __file__, "--write", str(many), "--form", "small", "--many", "100"]
    subprocess.run(command, check=True)
    folders = sorted(many.iterdir())
    bench.beside(
        "a hundred adapters",
        ["matrix", many, "--module", "value", "--draws", "0", "--json"],
        "vLoRA analyze",
        ["vlora", "analyze", "--json", *folders],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--install", type=Path, metavar="DIR", help="make the environment and end")
    parser.add_argument("--peers", type=Path, metavar="DIR", help="an environment with the others")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="a JSON file")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--form", default="small", help=argparse.SUPPRESS)
    parser.add_argument("--many", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.install:
        install(options.install)
        return
    if options.write:
        for seed in range(options.many):
            write(options.write / f"{seed:03d}", options.form, seed)
        if not options.many:
            write(options.write, options.form)
        return
    if not options.peers:
        parser.error("say where the others are: --peers DIR, after --install DIR")
    bench = Bench(options.peers / "bin", options.repeats)
    with tempfile.TemporaryDirectory() as name:
        run(bench, Path(name))
    record = {
        "processor": processor(),
        "versions": versions(bench.peers),
        "rows": bench.rows,
        "agreement": agreements(bench, ll.demo_adapter("lora")),
    }
    text = json.dumps(record, indent=1)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
