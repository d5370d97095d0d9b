"""Many adapters: the folders under a folder, and short names that tell them apart."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from ..errors import AdapterError
from ..several import several
from .adapters_in import is_adapter, lone_files
from .hub_adapters import hub_id
from .hub_files import named_instead
from .locate import user_path
from .names import natural
from .not_files import not_a_file
from .peft_names import CONFIG

_LONG = 32  # letters of a name that a table's column and a figure's margin still hold


def _no_file(_: Path) -> bool:
    return False


def find_adapters(
    paths: str | Path | Iterable[str | Path],
    stems: Sequence[str] = (),
    stands_alone: Callable[[Path], bool] = _no_file,
) -> list[Path]:
    """Every adapter among `paths`, and under those that are folders *of* adapters.

    A folder with ``adapter_config.json``, or with tensors of an adapter, is one, and nothing below it is
    looked at; without a configuration, each file that is an adapter by itself is one. Hidden folders are
    passed over. Numbers in names count as numbers: ``seed-2`` comes before ``seed-10``. A folder met twice is
    taken once. Files and hub ids are taken as they are.

    Args:
        paths: As typed.
        stems: What files with an adapter's tensors are called, without their endings.
        stands_alone: Whether a ``.safetensors`` file of any name is an adapter.

    Raises:
        AdapterError: A path is no folder, or there is no adapter in or under it.
    """
    found: dict[Path, Path] = {}
    for path in map(user_path, several(paths)):
        is_folder = os.path.isdir(path)  # noqa: PTH112  (a name that is too long is none, not an error)
        what = not_a_file(path)
        if os.path.isfile(path) or (not is_folder and not what and hub_id(path)):  # noqa: PTH113
            found.setdefault(path.resolve(), path)
            continue
        if what:
            raise AdapterError(f"{path} is {what}; expected a folder with {CONFIG}, or a hub id")
        if not is_folder:
            raise AdapterError(
                f"{path} is not a folder; expected one with {CONFIG}, or a hub id{named_instead(path)}"
            )
        here = list(_walk(path, stems, stands_alone, set()))
        if not here:
            raise AdapterError(
                f"no adapter in or under {path}: no folder with {CONFIG}, and no .safetensors that is one"
            )
        for folder in here:
            found.setdefault(folder.resolve(), folder)
    return list(found.values())


def _walk(
    folder: Path, stems: Sequence[str], stands_alone: Callable[[Path], bool], seen: set[Path]
) -> Iterator[Path]:
    real = folder.resolve()
    if real in seen:  # a link that leads back up
        return
    seen.add(real)
    alone = [file for file in lone_files(folder) if stands_alone(file)]
    if is_adapter(folder, stems) and len(alone) < 2:
        yield folder
        return
    yield from alone
    children = [path for path in folder.iterdir() if path.is_dir() and path.name[0] != "."]
    for child in sorted(children, key=lambda path: natural(path.name)):
        yield from _walk(child, stems, stands_alone, seen)


def distinguishing_names(paths: Sequence[str | Path]) -> tuple[str, ...]:
    """What is left of each path when the parts that all share are taken away.

    Of paths of equal depth, the folders at which they differ; else what lies between the common
    beginning and the common end. Where that is still long, as of paths that have next to nothing in
    common, the shortest ends that tell them apart. A path that occurs twice gets its number after it.

    Example:
        >>> distinguishing_names(["runs/rte/seed-1/best", "runs/mrpc/seed-1/best"])
        ('rte', 'mrpc')
        >>> distinguishing_names(["runs/rte/seed-1", "runs/mrpc/seed-2", "runs/rte/seed-2"])
        ('rte/seed-1', 'mrpc/seed-2', 'rte/seed-2')
    """
    # Links stay as named, and the root, which all share, is no part of a name.
    split = [Path(os.path.abspath(path)).parts[1:] for path in paths]  # noqa: PTH100
    shortest = min(map(len, split), default=0)
    if all(len(parts) == shortest for parts in split):
        differing = [k for k in range(shortest) if len({parts[k] for parts in split}) > 1]
        kept = [tuple(parts[k] for k in differing or [-1]) for parts in split]
    else:
        start = _common(split, shortest - 1)
        end = _common([parts[:start:-1] for parts in split], shortest - start - 1)
        kept = [parts[start : len(parts) - end] for parts in split]
    if max(map(len, map("/".join, kept)), default=0) > _LONG:
        kept = _ends(split)
    return _numbered(["/".join(parts) for parts in kept])


def _ends(split: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The last parts of each path, as many of all as different paths need to differ."""
    different = len(set(split))
    count = next(
        count
        for count in range(1, max(map(len, split)) + 1)
        if len({parts[-count:] for parts in split}) == different
    )
    return [parts[-count:] for parts in split]


def _common(split: Sequence[Sequence[str]], most: int) -> int:
    """How many leading parts all share, at most `most`, so that every path keeps one."""
    return next((k for k in range(most) if len({parts[k] for parts in split}) > 1), max(0, most))


def _numbered(names: list[str]) -> tuple[str, ...]:
    counts: dict[str, int] = {}
    numbered = []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        numbered.append(name if counts[name] == 1 else f"{name} ({counts[name]})")
    return tuple(numbered)
