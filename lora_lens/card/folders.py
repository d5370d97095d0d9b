"""An adapter's files as they are pushed: where anything lies on this machine is nobody's business."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePath
from typing import Any

from ..show.text import as_json
from ..training.as_asked import CHECKSUMS

# What of adapter_config.json and run.json may say where something lies; nothing else in them is looked at.
_WHERE = ("base_model_name_or_path", "settings", CHECKSUMS, "command")
_WORD = re.compile(r"(--[\w-]+=|-\w)?(.*)", re.DOTALL)  # of a command: an option, and its value


def without_folders(text: str) -> str | None:
    """The text of ``adapter_config.json`` or ``run.json`` with ``./NAME`` for every path of this machine; None where it has none.

    NAME is the path's last name, and those before it where another path ends in the same one.

    Example:
        >>> text = '{"settings": {"base": "/home/me/base"}, "command": "lora-lens train --base=/home/me/base"}'
        >>> without_folders(text).split()
        ['{', '"settings":', '{', '"base":', '"./base"', '},', '"command":', '"lora-lens', 'train', '--base=./base"', '}']
        >>> without_folders('{"base_model_name_or_path": "owner/name", "labels": ["/a/b"]}') is None
        True
    """
    said = json.loads(text)
    where = {key: said[key] for key in _WHERE if key in said}
    if isinstance(where.get("command"), str):
        where["command"] = _words(where["command"])
    short = _short({one for one in _strings(where) if _is_path(one)})
    if not short:
        return None
    found = _renamed(where, short)
    if isinstance(said.get("command"), str):
        found["command"] = shlex.join(map("".join, found["command"]))
    return as_json(said | found)


def _words(command: str) -> list[list[str]]:
    return [[*match.groups("")] for word in shlex.split(command) if (match := _WORD.match(word))]


def _strings(found: Any) -> Iterator[str]:
    """All that are in JSON, keys too."""
    if isinstance(found, str):
        yield found
    elif isinstance(found, Mapping):
        yield from found
        yield from _strings(list(found.values()))
    elif isinstance(found, list):
        for one in found:
            yield from _strings(one)


def _renamed(found: Any, names: Mapping[str, str]) -> Any:
    if isinstance(found, str):
        return names.get(found, found)
    if isinstance(found, Mapping):
        return {names.get(key, key): _renamed(value, names) for key, value in found.items()}
    return [_renamed(one, names) for one in found] if isinstance(found, list) else found


def _is_path(text: str) -> bool:
    """Whether it says where something lies; not a bare name, nor a hub id, unless a folder of that name is here.

    Example:
        >>> [_is_path(text) for text in ("/home/me/base", "~/base", "../base", "base", "owner/name", "./base")]
        [True, True, True, False, False, False]
    """
    path = PurePath(text)
    outright = path.is_absolute() or text.startswith(("~", "."))
    return len(path.parts) > 1 and (outright or os.path.lexists(text))


def _short(paths: Collection[str]) -> dict[str, str]:
    """Each with as few of its last names as tell it from the others.

    Example:
        >>> sorted(_short({"/me/train/rows.csv", "/me/test/rows.csv", "/me/base"}).values())
        ['./base', './test/rows.csv', './train/rows.csv']
    """
    names = {path: PurePath(path).parts[bool(PurePath(path).anchor) :] for path in paths}
    return {path: "/".join((".", *_tail(own, set(names.values())))) for path, own in names.items()}


def _tail(own: tuple[str, ...], among: Collection[tuple[str, ...]]) -> tuple[str, ...]:
    tails = (own[-count:] for count in range(1, len(own)))
    others = [one for one in among if one != own]
    return next((t for t in tails if not any(one[-len(t) :] == t for one in others)), own)
