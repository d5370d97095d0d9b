"""One input: read, analysed and shown, watched for what it opens, calls, takes and says."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from hostile_changes import Files, Link, change
from hostile_seeds import Seed

import lora_lens
from lora_lens.bases.of_adapter import open_base_of
from lora_lens.bases.weights import BaseWeights
from lora_lens.core.computing.lapack import lu_by_columns
from lora_lens.errors import LensError
from lora_lens.files import mapped
from lora_lens.files.adapter_folders import find_adapters
from lora_lens.files.checkpoints import why_not_whole
from lora_lens.formats import loading
from lora_lens.formats.opening import all_stems, stands_alone
from lora_lens.show.csv_text import as_csv

STAGES = ("container", "names", "configuration", "grouping", "base", "numbers")
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029]")
SECONDS = 2.0  # of processor time for any input, and
SECONDS_A_BYTE = 20e-6  # beside them
BYTES = 64 << 20  # of memory for any input, and
BYTES_A_BYTE = 64  # beside them
_OF_THE_SYSTEM = re.compile(r"/(proc|sys/fs/cgroup)/.*")  # which libraries ask about the machine
_HANGS = 30  # seconds of the processor
_WAITS = 20 * _HANGS  # of the clock: a machine may do much else at the time
_QUESTIONS = 0.03  # share of the inputs that are asked all that needs W0
_TABLES = 0.2  # and whose tables are looked at
_LONGEST_SAID = 2_100
_OF_THE_HUB = 0.04  # share that is read by its id in the hub's cache
_RENAMES = 0.05  # share of those whose modules are sought by other names
_RENAMED = (
    (r"^(bert|model)\.", ""), ("^", "model."), (r"layer\.(\d+)", r"h.\1"), ("query|q_proj", "key"), (".*", ""),
    (r"(\w+)\.(\w+)", r"\2.\1"), (r"\.", ".."), ("self", "../" * 9), ("e", "e" * 99), ("$", "\x1b[31m\n"),
)  # fmt: skip


class Forbidden(BaseException):
    """What no file may bring about; nothing catches it on the way."""


class Hangs(BaseException):
    """It has taken too long."""


@dataclass
class Watch:
    """What is allowed while an input is read: files under `roots`, nothing else."""

    roots: tuple[str, ...]
    own: str
    on: bool = False
    seen: list[str] = field(default_factory=list)

    def audit(self, event: str, given: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event == "open":
            self.opened(given[0])
        elif event.startswith(("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "pickle.find_class", "ctypes.dlopen")):  # fmt: skip
            self._forbid(f"{event} {given!r:.200}")

    def opened(self, path: Any) -> None:
        if isinstance(path, (str, bytes, os.PathLike)):
            real = os.path.realpath(os.fsdecode(path))
            if not real.startswith(self.roots) and not _OF_THE_SYSTEM.fullmatch(real):
                self._forbid(f"opened {real}")

    def _forbid(self, what: str) -> None:
        self.seen.append(what)
        raise Forbidden(what)


@dataclass(frozen=True)
class Outcome:
    """What became of an input.

    Attributes:
        number: Of the input.
        seed: Whose files were changed.
        done: What was done to them.
        reached: The stages that it came to.
        said: The refusal; None where it was read.
        failed: What should not have happened, with where; None where nothing did.
    """

    number: int
    seed: str
    done: tuple[str, ...]
    reached: frozenset[str]
    said: str | None
    failed: str | None


class Bench:
    """Where inputs are written and read, one after another; of one process."""

    def __init__(self, seeds: Sequence[Seed], root: Path) -> None:
        self.seeds, self.root = seeds, root
        self.reached: set[str] = set()
        code = [one for one in sys.path if one and Path(one).is_dir()]
        roots = (str(root), sys.prefix, sys.base_prefix, *code)
        self.watch = Watch(tuple(os.path.realpath(one) + "/" for one in roots), str(root))
        for k, seed in enumerate(seeds):
            _write(root / "bases" / str(k), dict(seed.of("base")), "base/")
        sys.addaudithook(self.watch.audit)
        self.before = [*_hook_stages(self.reached, self.watch), *_hook_cache(root / "cache")]
        # What libraries take when they are first used is not the files'.
        for k, seed in enumerate(seeds):
            _write(root / "adapter", dict(seed.of("adapter")), "adapter/")
            with suppress(LensError), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read = lora_lens.load_adapter(root / "adapter", _given(root / "bases" / str(k)))
                lora_lens.inspect(read)
                _w0(read)
        with suppress(LensError):
            lora_lens.load_adapter("me/nothing")
        lu_by_columns(np.ones((1, 1), order="F"))  # asks which libraries there are, and keeps it

    def close(self) -> None:
        """Leave the functions of the package as they were; an audit cannot be taken away, and is off."""
        for owner, name, function in self.before:
            setattr(owner, name, function)

    def trial(self, seed: int, number: int) -> Outcome:
        """Input `number` of a run with this seed."""
        rng = Random(f"{seed}/{number}")
        which = rng.randrange(len(self.seeds))
        whole = self.seeds[which].files
        found: Files = dict(whole)
        done = change(rng, found, self.seeds[which].of_base)
        base = self.root / "bases" / str(which)
        adapter: str | Path = self.root / "adapter"
        _write(self.root / "adapter", found, "adapter/")
        if any(found.get(path) != whole.get(path) for path in {*found, *whole} if path.startswith("base/")):  # fmt: skip
            base = self.root / "base"
            _write(base, found, "base/")
        if rng.random() < _OF_THE_HUB:
            adapter = self._in_cache(found)
        size = sum(len(one) for one in found.values() if isinstance(one, bytes))
        self.reached.clear()
        said, failed = self._watched(lambda: _ask(adapter, base, rng, self.reached), size)
        return Outcome(number, self.seeds[which].name, tuple(done), frozenset(self.reached), said, failed)  # fmt: skip

    def _in_cache(self, found: Files) -> str:
        """The adapter's files in the hub's cache, where each is a link to a blob; its id."""
        repository = self.root / "cache" / "models--me--x"
        shutil.rmtree(repository, ignore_errors=True)
        commit = "0" * 40
        files: Files = {"refs/main": commit.encode()}
        for k, (path, one) in enumerate(found.items()):
            if path.startswith("adapter/") and isinstance(one, bytes):  # no repository has links
                files[f"blobs/{k}"] = one
                name = f"snapshots/{commit}/{path.removeprefix('adapter/')}"
                files[name] = Link(str(repository / "blobs" / str(k)))
        _write(repository, files, "")
        return "me/x"

    def _watched(self, ask: Callable[[], None], size: int) -> tuple[str | None, str | None]:
        said = failed = None
        _forget_peak()
        before, highest = _resident(), _highest()
        begun = time.process_time()
        try:
            with _alarm(), warnings.catch_warnings():
                warnings.simplefilter("error", RuntimeWarning)
                warnings.simplefilter("ignore", UserWarning)
                self.watch.on = True
                try:
                    ask()
                finally:
                    self.watch.on = False
        except LensError as error:
            said = str(error)
            failed = _wrongly_said(said)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            failed = _where(error)
        took = time.process_time() - begun
        if failed is None and self.watch.seen:
            failed = self.watch.seen[0]
        self.watch.seen.clear()
        if failed is None and took > SECONDS + SECONDS_A_BYTE * size:
            failed = f"took {took:.1f} s of processor time for {size:,} bytes"
        peak = _highest()
        if failed is None and peak > max(highest, before + BYTES + BYTES_A_BYTE * size):
            failed = f"took {(peak - before) >> 20} MiB for {size:,} bytes"
        return said, failed

    def keep(self, outcome: Outcome, folder: Path) -> Path:
        """Copy the files of the last input, with what was wrong."""
        target = folder / f"{outcome.number}"
        shutil.rmtree(target, ignore_errors=True)
        for part in ("adapter", "base"):
            if (self.root / part).exists():
                shutil.copytree(self.root / part, target / part, symlinks=True)
        (target / "what.txt").write_text(
            f"{outcome.seed}\n{outcome.done!r}\n{outcome.failed}\n",
            encoding="utf-8",
            errors="replace",
        )
        return target


def _write(folder: Path, found: Files, part: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path, content in found.items():
        if not path.startswith(part):
            continue
        try:
            target = folder / path.removeprefix(part)
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Link):
                target.symlink_to(content.target)
            else:
                target.write_bytes(content)
        except (OSError, ValueError):  # a name that the system does not take
            continue


def _given(base: Path) -> Path:
    """What a person would name: the folder, or the one file in it that is no folder's.

    A link that is named is followed: who names it means it.
    """
    file = base / "model.gguf"
    return file if file.is_file() and not file.is_symlink() else base


def _ask(adapter: str | Path, base: Path, rng: Random, reached: set[str]) -> None:
    """What a person would ask of it, from reading to tables."""
    given = _given(base) if rng.random() < 0.8 else None
    # As a run with checkpoints looks at it, and one of many adapters.
    if isinstance(adapter, Path) and rng.random() < _TABLES:
        why_not_whole(adapter, all_stems())
        with suppress(LensError):  # a file of any name is found by its folder alone
            find_adapters([adapter], all_stems(), stands_alone)
    read = lora_lens.load_adapter(adapter, given)
    shown = [repr(read), read._repr_html_(), *read.notes, *read.left_out.values()]
    if rng.random() < _TABLES:
        inventory = lora_lens.inspect(read)
        shown += [inventory.to_markdown(), inventory.to_latex(), as_csv(inventory.rows())]
    reached.add("numbers")
    name = rng.choice(list(read.modules))
    shown.append(lora_lens.spectrum(read, name, beside_w0=False).summary)
    for text in shown:
        if found := CONTROLS.search(text):
            raise Forbidden(f"shows {found[0]!r}")
    if given is not None:
        with lora_lens.renaming(dict(rng.sample(_RENAMED, 2)) if rng.random() < _RENAMES else {}):
            _w0(read)
    if rng.random() < _QUESTIONS:
        _ask_more(read, rng)


def _w0(read: Any) -> None:
    opened = open_base_of(read)
    for name in list(read.modules)[:2]:
        opened.w0(read.modules[name], 0)


def _ask_more(read: Any, rng: Random) -> None:
    name = rng.choice(list(read.modules))
    question = rng.choice([
        lambda: lora_lens.conversion_similarity(read, name, draws=2),
        lambda: lora_lens.shared_subspace(read, name),
        lambda: lora_lens.spectrum(read, name, draws=1),
        lambda: lora_lens.amplification(read, name),
        lambda: lora_lens.outliers(read, name),
    ])  # fmt: skip
    result = question()
    result.to_dict()
    if CONTROLS.search(result.summary):
        raise Forbidden("shows a control character")


def _hook_stages(reached: set[str], watch: Watch) -> list[tuple[Any, str, Any]]:
    """Note where the reading has come to, at the functions that begin each stage; those functions."""

    def noted(stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            reached.add(stage)
            return function(*given, **named)

        return call

    def opened(path: Any, *given: Any, **named: Any) -> Any:
        if watch.on:  # by a library of Rust, which no audit sees
            watch.opened(path)
        return safe_open(path, *given, **named)

    def format_of(files: Any) -> Any:
        reached.add("names")
        found = original(files)
        reached.add("configuration")
        return found

    safe_open, original = mapped.safe_open, loading.format_of
    places: list[tuple[Any, str, Any]] = [
        (mapped, "safe_open", opened),
        (loading, "format_of", format_of),
        (loading, "open_adapter", noted("container", loading.open_adapter)),
        (loading, "low_rank", noted("grouping", loading.low_rank)),
        (BaseWeights, "weight", noted("base", BaseWeights.weight)),
    ]
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in places]
    for owner, name, function in places:
        setattr(owner, name, function)
    return before


def _hook_cache(folder: Path) -> list[tuple[Any, str, Any]]:
    """The hub's cache is this folder, and the hub is not asked; what they were."""
    from huggingface_hub import constants

    new = {
        "HF_HUB_CACHE": str(folder),
        "HF_HUB_OFFLINE": True,
        "HF_TOKEN_PATH": str(folder / "token"),
    }
    before = [(constants, name, getattr(constants, name)) for name in new]
    for name, value in new.items():
        setattr(constants, name, value)
    return before


@contextmanager
def _alarm() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise Hangs(f"more than {_HANGS} s of the processor, or {_WAITS} of the clock")

    limits = {signal.ITIMER_PROF: _HANGS, signal.ITIMER_REAL: _WAITS}
    old = {which: signal.signal(which, ring) for which in (signal.SIGPROF, signal.SIGALRM)}
    for timer, seconds in limits.items():
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for timer in limits:
            signal.setitimer(timer, 0)
        for which, handler in old.items():
            signal.signal(which, handler)


def _wrongly_said(said: str) -> str | None:
    if not said.strip() or "\n" in said or len(said) > _LONGEST_SAID or CONTROLS.search(said):
        return f"says {said!r:.300}"
    return None


def _where(error: BaseException) -> str:
    """Kind, words and the last lines of ours that it came through."""
    frames = [
        f"{Path(one.filename).stem}:{one.lineno}"
        for one in traceback.extract_tb(error.__traceback__)
        if "lora_lens" in one.filename
    ]
    return f"{type(error).__name__}: {str(error)[:200]!r} at {' > '.join(frames[-4:])}"


def _resident() -> int:
    with open("/proc/self/statm") as stream:  # noqa: PTH123
        return int(stream.read().split()[1]) * resource.getpagesize()


def _forget_peak() -> None:
    """What this process took before does not hide what it takes next."""
    with suppress(OSError), open("/proc/self/clear_refs", "w") as stream:  # noqa: PTH123
        stream.write("5")


def _highest() -> int:
    with open("/proc/self/status") as stream:  # noqa: PTH123
        line = next(line for line in stream if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


def tally(outcomes: Sequence[Outcome]) -> Counter[str]:
    """How many reached what."""
    count: Counter[str] = Counter(inputs=len(outcomes))
    for one in outcomes:
        count.update(one.reached)
        count["read"] += one.said is None and one.failed is None
        count["refused"] += one.said is not None and one.failed is None
        count["failed"] += one.failed is not None
    return count
