"""Broken and hostile files by the million: ``python benchmarks/hostile.py --count 1000000 --seed 0``.

Whole adapters of every format, with their bases, are changed at random (bytes, headers, pickles, names,
settings, shapes, numbers, links) and read, analysed and shown. Each has to be read or refused in one line,
within bounds of memory and time, without opening anything outside its folder, without a network, and
without running anything. What fails is kept in ``--out`` with its files. Ctrl-C ends it with what was
found so far; the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE), str(HERE / "tests"), str(HERE / "tests" / "hostile")]
os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}

from hostile_seeds import Seed, seeds  # noqa: E402
from hostile_trial import (  # noqa: E402
    BYTES,
    BYTES_A_BYTE,
    SECONDS,
    SECONDS_A_BYTE,
    STAGES,
    Bench,
    tally,
)
from page_table import table  # noqa: E402

_EVERY = 10  # seconds between records
_bench: Bench
_folder: Path


def _begin(made: list[Seed], out: str, root: str) -> None:
    """A process of its own folder in memory."""
    global _bench, _folder  # noqa: PLW0603
    _folder = Path(out)
    own = Path(tempfile.mkdtemp(dir=root))
    os.chdir(own)  # a configuration may name a folder of where one is
    tempfile.tempdir = str(own)  # where numbers wait if others take the memory
    os.environ["HF_HOME"] = str(own / "hub")
    _bench = Bench(made, own)


def _chunk(seed: int, start: int, stop: int) -> tuple[dict[str, int], list[tuple[int, str]]]:
    outcomes, failed = [], []
    current = _folder / f".current-{os.getpid()}"
    for number in range(start, stop):
        current.write_text(str(number))  # of an input that ends the process itself
        one = _bench.trial(seed, number)
        outcomes.append(one)
        if one.failed:
            _bench.keep(one, _folder / "failed")
            failed.append((number, one.failed))
    current.unlink()
    return dict(tally(outcomes)), failed


def _record(path: Path, seed: int, chunk: int, libraries: bool) -> dict[str, Any]:
    """What was done before by the same command, or nothing."""
    fresh: dict[str, Any] = {
        "seed": seed, "chunk": chunk, "libraries": libraries, "done": [], "count": {}, "failed": [], "seconds": 0.0,
    }  # fmt: skip
    if not path.exists():
        return fresh
    found: dict[str, Any] = json.loads(path.read_text())
    same = all(found[key] == fresh[key] for key in ("seed", "chunk", "libraries"))
    return found if same else fresh


def _chunks(first: int, count: int, size: int, done: set[int]) -> Iterator[tuple[int, int]]:
    for start in range(first, first + count, size):
        if start not in done:
            yield start, min(start + size, first + count)


def run(options: argparse.Namespace) -> dict[str, Any]:
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    for stale in out.glob(".current-*"):  # one may have ended the process itself
        print(f"the last run ended in the midst of input {stale.read_text()}", file=sys.stderr)
        stale.unlink()
    path = out / "record.json"
    record = _record(path, options.seed, options.chunk, options.libraries)
    left = list(_chunks(options.first, options.count, options.chunk, set(record["done"])))
    before = options.count - sum(stop - start for start, stop in left)
    if before:
        print(f"{before:,} of {options.count:,} were done before", file=sys.stderr)
    if not left:
        return record
    made = seeds(libraries=options.libraries)
    print(f"{len(made)} seeds: {', '.join(one.name for one in made)}", file=sys.stderr)
    root = tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
    begun, saved = time.monotonic(), 0.0
    try:
        for start, (count, failed) in _results(options, made, left, root):
            record["done"].append(start)
            record["count"] = dict(Counter(record["count"]) + Counter(count))
            record["failed"] += failed
            now = time.monotonic()
            record["seconds"] += now - begun
            begun = now
            if now - saved > _EVERY:
                saved = now
                _save(path, record)
                inputs = record["count"]["inputs"]
                rate = inputs / record["seconds"]
                print(
                    f"{inputs:>9,} inputs, {rate:.0f} a second, {len(record['failed'])} failed",
                    file=sys.stderr,
                )
    except KeyboardInterrupt:
        print("interrupted; the same command goes on", file=sys.stderr)
    finally:
        _save(path, record)
        shutil.rmtree(root, ignore_errors=True)
    return record


def _results(
    options: argparse.Namespace, made: list[Seed], left: list[tuple[int, int]], root: str
) -> Iterator[tuple[int, tuple[dict[str, int], list[tuple[int, str]]]]]:
    if options.processes == 1:
        _begin(made, options.out, root)
        for start, stop in left:
            yield start, _chunk(options.seed, start, stop)
        return
    pool = ProcessPoolExecutor(
        options.processes, get_context("fork"), _begin, (made, options.out, root)
    )
    waiting: dict[Future[Any], int] = {}
    try:
        while left or waiting:
            while left and len(waiting) < 2 * options.processes:
                start, stop = left.pop(0)
                waiting[pool.submit(_chunk, options.seed, start, stop)] = start
            for ended in wait(waiting, return_when=FIRST_COMPLETED).done:
                yield waiting.pop(ended), ended.result()
    except BrokenProcessPool:
        current = [one.read_text() for one in Path(options.out).glob(".current-*")]
        raise SystemExit(f"a process was ended by one of the inputs {', '.join(current)}") from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _save(path: Path, record: dict[str, Any]) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps(record))
    new.replace(path)


def told(record: dict[str, Any]) -> str:
    """The record in Markdown."""
    count = record["count"]
    inputs = count.get("inputs", 0)
    lines = [
        f"{inputs:,} inputs, seed {record['seed']}: {count.get('read', 0):,} read, "
        f"{count.get('refused', 0):,} refused in one line, {count.get('failed', 0):,} failed.",
        "",
        f"Bounds of an input: {SECONDS:g} s of processor time and {SECONDS_A_BYTE * 1e6:g} µs a byte, "
        f"{BYTES >> 20} MiB of memory and {BYTES_A_BYTE} bytes a byte.",
        "",
        *table(
            ["stage", "reached by", "share"],
            [
                [stage, f"{count.get(stage, 0):,}", f"{count.get(stage, 0) / max(inputs, 1):.1%}"]
                for stage in STAGES
            ],
        ),
    ]
    lines += [f"\nfailed: {number}: {why}" for number, why in record["failed"][:50]]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--count", type=int, default=10_000, help="inputs")
    parser.add_argument(
        "--from", dest="first", type=int, default=0, metavar="NUMBER",
        help="the first of them; what other ranges have done in the same --out is added up",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="of all of them")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--chunk", type=int, default=500, help="inputs that are lost when interrupted"
    )
    parser.add_argument("--out", default="hostile", help="folder of the record and of what failed")
    parser.add_argument(
        "--no-libraries", dest="libraries", action="store_false",
        help="without the seeds that peft and transformers make",
    )  # fmt: skip
    parser.add_argument(
        "--again", type=int, metavar="NUMBER", help="one input, and what becomes of it"
    )
    options = parser.parse_args()
    options.out = str(Path(options.out).resolve())
    if options.again is not None:
        Path(options.out).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as root:
            _begin(seeds(libraries=options.libraries), options.out, root)
            one = _bench.trial(options.seed, options.again)
            kept = _bench.keep(one, Path(options.out) / "again")
            print(f"{one}\n{kept}")
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C, or its processes stay
    record = run(options)
    print(told(record))
    if record["failed"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
