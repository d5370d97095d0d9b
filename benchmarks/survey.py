"""A survey of generated adapters against the sum of its floors, and its memory: python benchmarks/survey.py.

Adapters of rank 8 on 6 layers of 384, query and value, unless asked otherwise. The floors are what nobody can leave out: reading every file once, and
one pass of φ's kernel, the products of all pairs' bases of A and of B at every place with the sums of their squares,
at the survey's own precision; and what the other questions cannot do without either (`survey_floors.py`): the sums of ΔW over the adapters with their
leading directions, bases, the nulls' inner products, interference's weighted sums, and writing as many bytes. The latter are 0 where they are not known:
with `--questions`, and of a W0 so wide that the survey does otherwise than with whole sums. All are measured in the same process, on one thread, after the survey; seconds of the
processor stand beside those of the clock, for a machine that does something else too. Peak memory is that of
the process, of several processes their largest.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from made_adapters import LAYERS, MODULES, RANK, WIDTH, make_adapters
from survey_floors import (
    bases,
    bytes_written,
    inner_products,
    subspaces,
    sums_are_whole,
    weighted_sums,
)

COLUMNS = 1024


def main() -> None:
    """Make the adapters, run each count in a process of its own, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", type=int, nargs="+", default=[100, 300, 1000])
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--dtype", default="float64")
    for name, usual in (("width", WIDTH), ("layers", LAYERS), ("rank", RANK)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--questions", nargs="+", default=None)
    parser.add_argument("--one", metavar="FOLDER", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measured(Path(asked.one), asked)))
        return
    names = ("reading", "kernel", "the rest", "floors", "survey", "ratio", "CPU s", "ratio", "peak MB")  # fmt: skip
    print("adapters", *(f"{name:>8}" for name in names))
    for count in asked.counts:
        with tempfile.TemporaryDirectory() as folder:
            make_adapters(
                Path(folder) / "adapters", count,
                width=asked.width, layers=asked.layers, rank=asked.rank,
            )  # fmt: skip
            found = in_a_process(folder, asked)
        parts = ("reading", "kernel", "rest")
        floors = sum(found[part] for part in parts) / asked.processes
        cpu = sum(found[f"{part}_cpu"] for part in parts)
        seconds = (found["reading"], found["kernel"], found["rest"], floors, found["survey"])
        print(
            f"{count:8}", *(f"{one:8.2f}" for one in seconds), f"{found['survey'] / floors:8.2f}",
            f"{found['survey_cpu']:8.2f} {found['survey_cpu'] / cpu:8.2f} {found['peak']:8.0f}",
            flush=True,
        )  # fmt: skip


def in_a_process(folder: str, asked: argparse.Namespace) -> dict[str, float]:
    """What one count takes, measured where nothing ran before."""
    command = [sys.executable, __file__, "--one", folder, "--dtype", asked.dtype]
    for name in ("processes", "width", "layers", "rank"):
        command += [f"--{name}", str(getattr(asked, name))]
    if asked.questions:
        command += ["--questions", *asked.questions]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def measured(folder: Path, asked: argparse.Namespace) -> dict[str, float]:
    """Floors, survey and peak memory."""
    import torch

    import lora_lens as ll

    torch.set_num_threads(1)
    files = sorted((folder / "adapters").glob("*/*"))
    count, places = len(files) // 2, asked.layers * len(MODULES)
    found: dict[str, float] = {}
    with clock(found, "survey"):
        ll.survey(
            folder / "adapters", folder / "out", questions=asked.questions, dtype=asked.dtype,
            processes=asked.processes,
        )  # fmt: skip
    peaks = [
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    with clock(found, "reading"):
        for file in files:
            file.read_bytes()
    with clock(found, "kernel"):
        for _ in range(2 * places):
            kernel_pass(count, asked.rank, asked.width, getattr(torch, asked.dtype))
    written = sum(file.stat().st_size for file in (folder / "out").rglob("*.parquet"))
    known = asked.questions is None and sums_are_whole(count, asked.rank, asked.width)
    with clock(found, "rest"):
        for _ in range(places if known else 0):
            bases(count, asked.rank, asked.width)
            subspaces(count, asked.rank, asked.width)
            inner_products(count, asked.rank, asked.width)
            weighted_sums(count, asked.rank, COLUMNS)
        bytes_written(folder / "bytes", written if known else 0)
    return found | {"peak": max(peaks) / 1024}


def kernel_pass(count: int, rank: int, width: int, dtype: object) -> None:
    """φ of all pairs of one matrix at one place, from bases that are at hand."""
    import torch

    bases = torch.randn(count * rank, width, dtype=dtype)
    blocks = bases.split(COLUMNS)
    for k, one in enumerate(blocks):
        for other in blocks[k:]:
            squares = (one @ other.mT).square()
            shape = (len(one) // rank, rank, len(other) // rank, rank)
            squares.reshape(shape).sum((1, 3)).div_(rank)


class clock:  # noqa: N801
    """Seconds of the block, by the clock and of the processor with its children."""

    def __init__(self, found: dict[str, float], name: str) -> None:
        self.found, self.name = found, name

    def __enter__(self) -> None:
        self.start, self.cpu = time.perf_counter(), spent()

    def __exit__(self, *_: object) -> None:
        self.found[self.name] = time.perf_counter() - self.start
        self.found[f"{self.name}_cpu"] = spent() - self.cpu


def spent() -> float:
    """Seconds of the processor, of this process and those of its children that have ended."""
    return sum(
        getattr(resource.getrusage(who), part)
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        for part in ("ru_utime", "ru_stime")
    )


if __name__ == "__main__":
    main()
