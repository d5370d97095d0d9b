"""docs/benchmarks.md again from the records beside it: python benchmarks/page.py.

The records are what `floors.py --out docs/benchmarks/kernels.json` and `peers.py --peers DIR --out
docs/benchmarks/peers.json` measured last.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from page_table import table

DOCS = Path(__file__).parents[1] / "docs"
RECORDS = DOCS / "benchmarks"
FITS = 600  # a layer, of `shared` with its defaults: 200 draws of flips and 50 of two other nulls, of A and of B


def page(kernels: dict[str, Any], peers: dict[str, Any], callback: dict[str, Any]) -> str:
    """The whole of it."""
    parts = (
        _introduction(kernels, peers),
        _beside_peers(peers),
        _floors(kernels),
        _growth(kernels),
        _in_training(callback),
    )
    return "\n".join(line for part in parts for line in part).rstrip() + "\n"


def _introduction(kernels: dict[str, Any], peers: dict[str, Any]) -> Iterator[str]:
    machine = kernels["machine"]
    yield "# How fast, against what\n"
    yield (
        f"Written by `python benchmarks/page.py` from docs/benchmarks/*.json, which `python benchmarks/floors.py "
        f"--out docs/benchmarks/kernels.json` and `python benchmarks/peers.py --peers DIR --out "
        f"docs/benchmarks/peers.json` measured on one thread of a virtual machine with two (other tools: {peers['processor']}; "
        f"the rest: {machine['processor']}; Python {machine['python']}, torch {machine['torch']}). Seconds are the processor's, medians; ratios are "
        f"medians of runs that were neighbours, so they hold better than the seconds do.\n"
    )


def _beside_peers(peers: dict[str, Any]) -> Iterator[str]:
    yield "## Beside other tools\n"
    used = ", ".join(f"{name} {version}" for name, version in peers["versions"].items())
    yield (
        f"Whole commands in turn, each with what it loads ({used}). They do not do the same: AdapterSentry "
        f"scans an adapter's spectra for anomalies, Gradience audits its ranks, WeightWatcher fits power laws to the "
        f"spectrum of every product, vLoRA takes the cosine of two adapters' parameters, which depends on "
        f"their gauge, where `matrix` compares subspaces of one module.\n"
    )
    yield from table(
        ["adapter", "lora-lens", "s", "MiB", "the other", "s", "MiB", "ratio of s", "of MiB"],
        [
            [row["on"], f"`{row['ours']}`", *_cost(row["ours cost"]), row["theirs"], *_cost(row["theirs cost"]),
             f"{row['ratio']['cpu']:.2f}", f"{row['ratio']['memory']:.2f}"]
            for row in peers["rows"] if "left out" not in row
        ],
        "llrrlrrrr",
    )  # fmt: skip
    yield ""
    for row in peers["rows"]:
        if "left out" in row:
            yield f"- {row['theirs']} on {row['on']} was left out: {row['left out']}"
    slower = [row for row in peers["rows"] if row.get("ratio", {}).get("cpu", 0) > 1]
    if slower:
        named = "; ".join(
            f"{row['theirs']} on {row['on']} ({row['ratio']['cpu']:.2f})" for row in slower
        )
        yield f"**Where lora-lens is slower:** {named}.\n"
    else:
        yield "Above 1, lora-lens would be slower: nowhere here.\n"
    yield "The same numbers, largest relative difference on the bundled adapter:\n"
    for one in peers["agreement"]:
        said = f"{one['difference']:.1e}" if "difference" in one else f"left out: {one['left out']}"
        yield f"- {one['with']}, {one['what']}: {said}"
    yield ""


def _cost(of: dict[str, float]) -> tuple[str, str]:
    return f"{of['cpu']:.2f}", f"{of['memory']:.0f}"


def _floors(kernels: dict[str, Any]) -> Iterator[str]:
    made, whole = kernels["conversions"], kernels["similarity"]
    yield "## Beside the floor\n"
    yield (
        f"- **Conversion matrices** of A and B (r = 16) and condition numbers of 4 layers of 4096² in float32: "
        f"{made['conversion']:.1f} s, where `torch.linalg.lu_factor` in float32 alone takes {made['lu']:.1f}: "
        f"{made['ratio']:.2f} times. Memory above that in use: {made['matrices']:.1f} matrices of 4096² in float32."
    )
    once = kernels["command"]
    yield (
        f"- **The whole of `similarity --draws 0 --json`** on {once['layers']} such layers: "
        f"{once['command']:.1f} s, where `import torch` takes {once['import']:.1f} and `lu_factor` of the W0 "
        f"{once['lu']:.1f}: all else is {median(once['beyond']):.2f} of the LUs "
        f"({once['beyond'][0]:.2f} to {once['beyond'][-1]:.2f} in {len(once['beyond'])} turns)."
    )
    yield (
        f"- **`similarity` with its defaults** (200 draws) on {whole['layers']} layers of 4096² in bfloat16, r = 16: "
        f"{whole['similarity']:.0f} s and {whole['mib'] / 1024:.1f} GiB at the peak; the LUs alone {whole['lu']:.0f} s: "
        f"{whole['ratio']:.1f} times. The draws' own right-hand sides, 3,200 a layer, are twice the work of the LU."
    )
    yield from _memory(kernels)
    beside = "; ".join(
        f"{one['layers']} layers of {one['width']}², {one['shared']:.1f} s beside {one['similarity']:.1f}: "
        f"{one['ratio']:.0f} times, {one['layers'] * FITS} fits, its floor {sum(one['floor'].values()):.1f} s"
        for one in kernels["shared"]
    )
    yield (
        f"- **`shared` beside `similarity`**, both with their defaults, r = 8: {beside}. It fits θ anew without each layer "
        f"in turn in every draw, {FITS} times a layer, where `similarity` fits nothing. A fit costs more with more layers until their factors "
        f"have more than half as many rows as W0 is wide, and from there the same. The floor is what exact fits cannot do without, at the speed of "
        f"torch's products and decompositions (`benchmarks/shared_floor.py`): {_least(kernels['shared']):.1f} times `similarity` at the least."
    )
    yield ""


def _least(shared: list[dict[str, Any]]) -> float:
    """The smallest floor, in times of `similarity`."""
    return min(sum(one["floor"].values()) / one["similarity"] for one in shared)


def _memory(kernels: dict[str, Any]) -> Iterator[str]:
    """The peaks above what the process had, in a process of its own each."""
    for one in kernels["memory"]:
        yield (
            f"- **Memory** of `{one['question']}` with its defaults on {one['layers']} layers of {one['rows']}x{one['width']} in bfloat16, "
            f"r = 16, asked for the least that is not refused, {one['least']}: {one['above'] * 2**20 / 1e6:.0f}MB at the peak above the "
            f"{one['before'] * 2**20 / 1e6:.0f} that the process had, in {one['seconds']:.0f} s."
        )


def _growth(kernels: dict[str, Any]) -> Iterator[str]:
    yield "## Growth\n"
    yield (
        "8 layers of 768², r = 8 and 200 draws, one of these varied; the exponent of a "
        "power law through the three times, and the most that it can become.\n"
    )
    yield from table(
        ["question", "of", "sizes", "s", "exponent", "at most"],
        [
            ["`" + one["question"] + "`", one["of"], ", ".join(map(str, one["sizes"])), ", ".join(f"{value:.2f}" for value in one["seconds"]),
             f"{one['exponent']:.2f}", one["most"]]
            for one in kernels["growth"]
        ],
        "llllrr",
    )  # fmt: skip


def _in_training(callback: dict[str, Any]) -> Iterator[str]:
    yield "\n## In a Trainer's run\n"
    clock, of_processor = (
        [100 * one for one in callback[key]] for key in ("by_the_clock", "of_the_processor")
    )
    yield (
        f"`SpectralCallback` every {callback['every']} steps, whenever the Trainer logs, in {callback['steps']} steps of {callback['batch']} rows of "
        f"{callback['length']} tokens of PEFT's LoRA (query and value, r = 8) on all-MiniLM-L6-v2 ({callback['processor']}, {callback['device']}, one thread): "
        f"{median(clock):.1f} % of the time by the clock ({min(clock):.1f} to {max(clock):.1f} in {callback['rounds']} rounds), "
        f"{median(of_processor):.1f} % of the processor's. Most of it is the one picture at the end, "
        f"{max(callback['pictures']):.1f} s where it loads matplotlib and {min(callback['pictures']):.1f} after that; longer or larger runs have less of it "
        f"(`python benchmarks/callback.py --rounds 2 --steps 200 --out docs/benchmarks/callback.json`)."
    )


def main() -> None:
    """Write it."""
    records = (
        json.loads((RECORDS / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("kernels", "peers", "callback")
    )
    (DOCS / "benchmarks.md").write_text(page(*records), encoding="utf-8")


if __name__ == "__main__":
    main()
