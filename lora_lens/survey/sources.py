"""What was typed → the adapters that are meant: folders, files, hub ids, lists of these, a question to the hub."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qsl

from ..errors import AdapterError, FileFormatError, LensError
from ..files.adapter_folders import find_adapters
from ..files.locate import user_path
from ..files.not_files import not_a_file
from ..formats.opening import all_stems, stands_alone
from ..ledger import reads
from .escaped import escaped_line
from .reading import Unread, without_path

HUB = "hub:"
_LIST = ".txt"
_COMMENT = re.compile(r"(?:^|\s)#.*")  # a name may have a # in it
_ASKED = ("author", "search", "limit")


def adapters_meant(typed: Sequence[str | Path]) -> tuple[list[str], list[Unread]]:
    """Paths and hub ids of all adapters, each once, in the order typed; and what leads to none.

    Args:
        typed: Adapters as `lora_lens.load_adapter` takes them; folders that hold adapters at any depth; a ``.txt``
            file with one of these a line, blank lines passed over, and what follows a ``#`` at the line's start or after a
            space, unless the whole line is a path that is there; or, there too,
            ``hub:BASE``, all adapters on the hub whose card names that base, of which ``?author=…``,
            ``search=…`` and ``limit=…`` take some: ``hub:owner/base?author=someone&limit=100``.

    Raises:
        LensError: A list or a question to the hub cannot be read.
    """
    found: dict[Path | str, str] = {}
    unread: list[Unread] = []
    for one in typed:
        for name in _named(str(one)):
            try:
                here = find_adapters([name], all_stems(), stands_alone)
            except (AdapterError, FileFormatError) as error:
                told = escaped_line(str(error))
                unread.append(Unread(name, without_path(str(user_path(name)), told)))
                continue
            for path in here:
                found.setdefault(path.resolve() if path.exists() else str(path), str(path))
    return list(found.values()), unread


def _named(typed: str) -> list[str]:
    path = user_path(typed)
    listed = path.suffix == _LIST and not path.is_dir() and not typed.startswith(HUB)
    lines = _listed(path) if listed else [typed]
    return [name for line in lines for name in _answering(line)]


def _answering(line: str) -> list[str]:
    return _on_hub(line.removeprefix(HUB)) if line.startswith(HUB) else [line]


def _listed(path: Path) -> list[str]:
    if what := not_a_file(path):
        raise AdapterError(f"{path} is {what}, expected a list of adapters in a file")
    reads(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AdapterError(f"{path} is no list of adapters that can be read: {error}") from None
    return [line for line in map(_uncommented, lines) if line]


def _uncommented(line: str) -> str:
    whole = line.strip()
    if not whole.startswith("#") and os.path.exists(user_path(whole)):  # noqa: PTH110  (pathlib raises for a long one)
        return whole
    return _COMMENT.sub("", line).strip()


def _on_hub(asked: str) -> list[str]:
    """The adapters of a base on the hub, each at the commit that it has now."""
    base, _, query = asked.partition("?")
    words = dict(parse_qsl(query, keep_blank_values=True))
    unknown = [word for word in words if word not in _ASKED]
    limit = words.get("limit", "1")
    if not base or unknown or not limit.isdecimal() or not int(limit):
        raise LensError(
            f"{HUB}{asked} is no question to the hub; expected {HUB}OWNER/BASE, and after a question mark "
            f"some of author=NAME, search=WORDS and limit=NUMBER (at least 1), with & between them"
        )
    from huggingface_hub import HfApi

    try:
        models = HfApi().list_models(
            filter=f"base_model:adapter:{base}",
            author=words.get("author"),
            search=words.get("search"),
            limit=int(words["limit"]) if "limit" in words else None,
            expand=["sha"],
        )
        found = [f"{model.id}@{model.sha}" if model.sha else model.id for model in models]
    except json.JSONDecodeError:
        raise LensError(
            f"the hub cannot be asked for {asked}: what answers is no hub, but a page, as of a login to this network"
        ) from None
    except Exception as error:  # huggingface_hub raises many kinds; each ends the question alike
        raise LensError(
            f"the hub cannot be asked for {asked}: {escaped_line(str(error))}"
        ) from None
    if not found:
        raise LensError(f"the hub has no adapter of {base} that answers to {HUB}{asked}")
    return found
