"""What is to be done: every adapter read once, the places found, and the name of each place's file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from ..bases.opening import open_base
from ..errors import AdapterError, LensError
from ..files.adapter_folders import distinguishing_names
from .above_rank import check_rank
from .escaped import escaped
from .lacking import no_conversions
from .one_thread import one_thread
from .places import places_of
from .reading import Known, Piece, ReadTask, Unread, read_adapter
from .running import Runner
from .settings import Settings
from .task import PlaceTask
from .tasks import tasks_of
from .usual_k import usual_rank

_CHUNK = 32  # adapters a task


@dataclass(frozen=True)
class Failed:
    """What is not in the tables, and why, in one line.

    Attributes:
        adapter: Its name, or its path where it could not be read at all; empty where it is no adapter's.
        module, layer: Where; None for everywhere.
        reason: The line.
    """

    adapter: str
    module: str | None
    layer: int | None
    reason: str


@dataclass(frozen=True)
class Plan:
    """A survey before any of its work.

    Attributes:
        adapters: Those that are at a place, by number.
        names: Number to what tells it from the others, of all that were read.
        tasks: One a place, in the order of module and layer.
        failed: What was left out on the way.
        base, base_commit: Where W0 is, where one was named.
        settings: What is asked, with the convention that the adapters were made under.
    """

    adapters: dict[int, Known]
    names: dict[int, str]
    tasks: tuple[PlaceTask, ...]
    failed: tuple[Failed, ...]
    base: str | None
    base_commit: str | None
    settings: Settings

    @property
    def count(self) -> int:
        """One more than the largest number of an adapter."""
        return max(self.adapters, default=-1) + 1

    @property
    def usual_rank(self) -> int:
        """That of most adapters, place by place."""
        return usual_rank(piece.rank for task in self.tasks for piece in task.place.pieces)

    @property
    def start_given(self) -> bool:
        """Whether an adapter saved before any training stands for the common start; of all places or of none."""
        return any(task.start is not None for task in self.tasks)


def read_some(task: ReadTask) -> list[tuple[Known, list[Piece]] | Unread]:
    """What each of some adapters has where, or why it cannot be read.

    With one thread, as a place does: the last digits of a product of matrices depend on how many share it.
    """
    base = task.base
    # Once for all of them, and anew the next time: a process outlives what its files were.
    w0 = cache(lambda: open_base(base, download=True)) if task.of_w0 and base is not None else None
    with one_thread():
        return [
            read_adapter(path, task.first + k, base, w0=w0) for k, path in enumerate(task.paths)
        ]


def make_plan(
    paths: Sequence[str],
    unread: Sequence[Unread],
    settings: Settings,
    out: Path,
    *,
    base: str | None,
    start: str | None,
    runner: Runner,
    advance: Callable[[int], None],
) -> Plan:
    """Read every adapter once, and settle what is done where.

    Args:
        paths: Of the adapters.
        unread: What was no adapter.
        settings: What is asked, and how.
        out: The survey's folder.
        base: As in `lora_lens.load_adapter`.
        start: An adapter with the common initial A.
        runner: Who reads them.
        advance: Called with the number of adapters read.

    Raises:
        AdapterError: None can be read.
        BaseModelError: W0 is needed, and is there for no place, or cannot be read.
        RankError: Nothing of what is asked is left at the rank that is asked for.
    """
    adapters: dict[int, Known] = {}
    pieces: list[Piece] = []
    failed = [Failed(escaped(one.path), None, None, one.reason) for one in unread]
    reads = [
        ReadTask(tuple(paths[first : first + _CHUNK]), first, base, settings.of_w0)
        for first in range(0, len(paths), _CHUNK)
    ]
    unreadable: list[Unread] = []
    done = _read_all(reads, runner, advance)
    for index, task in enumerate(reads):
        for k, one in enumerate(done[index]):
            if isinstance(one, Unread):
                unreadable.append(one)
            else:
                adapters[task.first + k], own = one
                pieces += own
    failed += [Failed(escaped(one.path), None, None, one.reason) for one in unreadable]
    if not adapters:
        raise AdapterError(_none_read(failed))
    names = dict(
        zip(adapters, distinguishing_names([one.path for one in adapters.values()]), strict=True)
    )
    places, misfits = places_of(pieces)
    failed += [
        Failed(names[one.piece.adapter], one.module, one.layer, one.reason) for one in misfits
    ]
    here = {piece.adapter for place in places for piece in place.pieces}
    adapters = {number: known for number, known in adapters.items() if number in here}
    settings = _settled(settings, adapters.values())
    check_rank(settings, places)
    made = tasks_of(places, adapters, settings, out, base, start)
    _check_shapes([task for task, _ in made])
    failed += [
        Failed("", task.place.module, task.place.layer, no_conversions(task.place, names, why))
        for task, why in made
        if why is not None
    ]
    commit = open_base(base).commit if base and settings.of_w0 else None
    tasks = tuple(task for task, _ in made)
    return Plan(adapters, names, tasks, tuple(failed), base, commit, settings)


def _settled(settings: Settings, adapters: Iterable[Known]) -> Settings:
    """Under ``auto`` the convention that all CondLoRA adapters were trained under, where there are some: a survey has one."""
    own = {known.convention for known in adapters if known.convention}
    if settings.convention == "auto" and own == {"consistent"}:
        return replace(settings, convention="consistent")
    return settings  # by the shape of W0, which is `stored` where that can be


def _check_shapes(tasks: Sequence[PlaceTask]) -> None:
    for task in tasks:
        place = task.place
        stored = task.settings.of_w0 and task.settings.convention == "stored"
        if stored and place.out_features != place.in_features:
            raise LensError(
                f"W0 of {place.label} is {place.out_features}x{place.in_features}, and 'stored' inverts square ones "
                f"alone; use the convention 'consistent', or auto"
            )


def _read_all(
    tasks: Sequence[ReadTask], runner: Runner, advance: Callable[[int], None]
) -> dict[int, list[tuple[Known, list[Piece]] | Unread]]:
    """What each task has found.

    Of a task that is lost every adapter is read alone: one that is too large for the memory, or ends its process, takes no other along.
    """
    found: dict[int, list[tuple[Known, list[Piece]] | Unread]] = {}
    lost: list[tuple[int, int]] = []
    with closing(runner.run(read_some, tasks)) as ended:
        for done in ended:
            paths = tasks[done.index].paths
            reason = done.reason
            found[done.index] = [Unread(path, reason) for path in paths] if reason else done.value
            if reason and len(paths) > 1:
                lost += [(done.index, k) for k in range(len(paths))]
            else:
                advance(len(paths))
    alone = [
        replace(tasks[index], paths=(tasks[index].paths[k],), first=tasks[index].first + k)
        for index, k in lost
    ]
    with closing(runner.run(read_some, alone)) as ended:
        for done in ended:
            index, k = lost[done.index]
            found[index][k] = (
                Unread(alone[done.index].paths[0], done.reason) if done.reason else done.value[0]
            )
            advance(1)
    return found


def _none_read(failed: Sequence[Failed]) -> str:
    listed = "; ".join(f"{one.adapter}: {one.reason}" for one in failed[:3])
    more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
    return f"no adapter can be read: {listed}{more}" if failed else "no adapter is given"
