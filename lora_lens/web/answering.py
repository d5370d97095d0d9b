"""One request of the page → its report, or one line that says why not."""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from ..errors import AdapterError, LensError
from ..files.locate import checking
from ..report.request import Request
from ..report.write import make_report
from ..terminal.tracebacks import traceback_wanted
from .places import Places
from .uploads import adapter_folder, forget


@dataclass(frozen=True)
class Asked:
    """What a visitor asks.

    Attributes:
        uploaded: Files of an adapter; empty where it is named.
        adapter: A folder or hub id, or nothing.
        base, module: Or nothing.
    """

    uploaded: Sequence[Path]
    adapter: str
    base: str
    module: str


@dataclass(frozen=True)
class Answer:
    """The report's HTML and its summary, or an error in one line."""

    page: str = ""
    summary: str = ""
    error: str = ""


def answer(asked: Asked, places: Places, most_bytes: int, root: Path) -> Answer:
    """Analyse what was asked for. What was uploaded and written is gone when this returns.

    An error that nobody foresaw is one line on the page, and its traceback on standard error where that is wanted.

    Args:
        asked: What a visitor asks.
        places: That may be named.
        most_bytes: That an upload may have, unpacked.
        root: Where it is kept until then; whoever ends before that deletes it.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="answer-", dir=root))
    except OSError as error:
        return no_room(error)
    try:
        return _answer(asked, places, most_bytes, folder)
    except LensError as error:
        return Answer(error=_line(str(error), folder))
    except MemoryError:
        return Answer(error="out of memory: the adapter is too large for this machine")
    except Exception as error:  # the page goes on for the others
        if traceback_wanted():
            traceback.print_exc()
        return Answer(error=_line(f"unexpected {type(error).__name__}: {error}"[:300], folder))
    finally:
        forget(folder)


def no_room(error: OSError) -> Answer:
    """Where no folder can be made for an answer."""
    return Answer(error=f"nothing can be written on the page's machine: {error.strerror}")


def _answer(asked: Asked, places: Places, most_bytes: int, folder: Path) -> Answer:
    base = places.base(asked.base) if asked.base else None
    if asked.uploaded and asked.adapter:
        raise AdapterError("an adapter was uploaded and another one named; expected one of the two")
    if asked.uploaded:
        adapter = str(adapter_folder(asked.uploaded, folder, most_bytes))
    elif asked.adapter:
        adapter = places.adapter(asked.adapter)
    else:
        raise AdapterError("no adapter: upload one, or name its folder or hub id")
    modules = tuple(asked.module.replace(",", " ").split()) or None
    out = folder / "report.html"
    # Whatever in a stranger's adapter names a base: it is no way into folders that a visitor may not name.
    strangers = bool(asked.uploaded) or not os.path.exists(adapter)  # noqa: PTH110  (a hub id)
    with checking(places.check) if strangers else nullcontext():
        _, found = make_report(
            adapter, out, base=base, command="lora-lens serve", request=Request(modules=modules)
        )
    page = out.read_text(encoding="utf-8")
    for name in (f"{folder}/", f"{folder}/".replace("_", r"\_")):  # the second in LaTeX
        page = page.replace(name, "")
    return Answer(page=page, summary=found["summary"])


def _line(text: str, folder: Path) -> str:
    return " ".join(text.replace(f"{folder}/", "").replace(str(folder), "the upload").split())
